"""Keys of ``unique=`` that hosts take whose clocks are wrong."""

import time
from datetime import datetime, timezone

import pytest

import django_sqs
from django_sqs import clocks
from django_sqs.tickets.models import UniqueKey

pytestmark = pytest.mark.django_db(transaction=True)

DAY = 86_400


@pytest.fixture
def server_says(monkeypatch):
    """Lets the clock of the database's server say something."""

    def says(seconds):
        moment = datetime.fromtimestamp(seconds, timezone.utc)
        monkeypatch.setattr(clocks, "common_time", lambda database, own: moment)

    return says


def send():
    return django_sqs.send("second", body="x", unique="a", unique_for=60).sent


def taken(by=0):
    """The key is taken by a host whose clock is so many seconds ahead."""
    assert send()
    row = UniqueKey.objects.get()
    UniqueKey.objects.update(expires=row.expires + by)


def held():
    """For how many seconds more the key is held."""
    return UniqueKey.objects.get().expires - time.time()


def test_a_key_that_a_clock_far_ahead_took_is_held_for_its_own_time_once_somebody_wants_it():
    taken(by=30 * DAY)

    assert not send()

    assert 30 < held() < 61


def test_a_key_within_what_clocks_may_differ_stays():
    taken(by=600)

    assert not send()

    assert held() > 600


def test_a_host_whose_clock_is_behind_shortens_no_key(server_says):
    taken(by=DAY)
    server_says(time.time() + DAY)

    assert not send()

    assert held() > DAY


def test_a_key_of_a_version_that_did_not_note_its_time_stays():
    taken(by=DAY)
    UniqueKey.objects.update(seconds=None)

    assert not send()

    assert held() > DAY
