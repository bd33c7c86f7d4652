"""Keys: credentials are renewed before they are over, and nobody who must not waits for it."""

import queue
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest

from django_sqs_kombu import CredentialsMissing
from django_sqs_kombu.transport.sqs.clients import Account
from django_sqs_kombu.transport.sqs.requests import Requests
from django_sqs_kombu.transport.sqs.wire import keys

ENTRY = [{"MessageBody": "b"}]


class Role:
    """Requests in a role, whose credentials STS hands out only when it is told to."""

    def __init__(self, scripted):
        self.scripted = scripted
        self.goes_on = threading.Event()
        self.goes_on.set()
        #: How often STS was asked.
        self.asked = 0
        self._assume = scripted.assume_role
        scripted.assume_role = self._answer
        scripted.answers["SendMessage"] = {"MessageId": "m"}
        options = {
            "region": "us-east-1",
            "sts_role_arn": "arn:aws:iam::1:role/r",
            "sts_endpoint_url": scripted.url,
        }
        account = Account(options, access_key_id="k", secret_access_key="s", endpoint=scripted.url)
        self.requests = Requests(account)
        self._done = queue.SimpleQueue()

    def _answer(self):
        self.asked += 1
        return self.goes_on.wait(30) and self._assume()

    def lasts(self, seconds, *following):
        """Have the credentials end so soon, and those that are got next last so long."""
        account = self.requests.account
        self.scripted.roles = [900]
        self.requests.send_batch("orders", ENTRY)
        _, session = account._session(account.identity())
        ends = datetime.now(timezone.utc) + timedelta(seconds=seconds)
        session.get_credentials()._expiry_time = ends
        self.scripted.roles = list(following)

    def begin(self):
        self.requests.begin_send("orders", ENTRY, self._done.put)

    def ended(self, timeout):
        """What came of a request that was begun."""
        return self.requests.read_sent("orders", ENTRY, self._done.get(timeout=timeout))


@pytest.fixture
def role(scripted):
    role = Role(scripted)
    yield role
    role.goes_on.set()


@pytest.fixture(autouse=True)
def renewed_at_any_time(monkeypatch):
    monkeypatch.setattr(keys, "PAUSE", 0.2)


#: Of credentials that may, and that must be renewed.
@pytest.mark.parametrize("seconds", [100, 40])
def test_the_last_ones_are_signed_with_while_others_are_got(scripted, role, seconds, eventually):
    role.lasts(seconds, 900)
    role.goes_on.clear()
    began = time.monotonic()

    for _ in range(5):
        role.begin()

    assert time.monotonic() - began < 5
    assert all(role.ended(timeout=10) == [None] for _ in range(5))
    assert set(scripted.keys) >= {"ROLE1"}
    assert "ROLE2" not in scripted.keys
    role.goes_on.set()

    def renewed():
        role.begin()
        assert role.ended(timeout=10) == [None]
        return scripted.keys[-1] == "ROLE2"

    eventually(renewed, timeout=10)


def test_one_thread_renews_them_for_all(role, monkeypatch):
    monkeypatch.setattr(keys, "PAUSE", 60)
    role.lasts(100, 900)
    role.goes_on.clear()

    for _ in range(50):
        role.begin()
        role.ended(timeout=10)

    # Once before; then by one thread, which tries twice where it is not answered.
    assert role.asked <= 3


def test_those_that_are_over_in_a_moment_are_waited_for_by_others_alone(scripted, role):
    role.lasts(10, 900)
    role.goes_on.clear()
    role.begin()
    other = Requests(Account({}, access_key_id="k", secret_access_key="s", endpoint=scripted.url))
    other.send_batch("orders", ENTRY)
    done = queue.SimpleQueue()

    # The thread that waits for answers is free.
    other.begin_send("orders", ENTRY, done.put)

    assert other.read_sent("orders", ENTRY, done.get(timeout=10)) == [None]
    role.goes_on.set()
    assert role.ended(timeout=20) == [None]
    assert scripted.keys[-1] == "ROLE2"


def test_a_renewal_that_fails_is_logged_and_tried_again(scripted, role, eventually, caplog):
    # botocore keeps to itself what fails before they must be renewed, a minute before their end.
    role.lasts(55)

    def said():
        role.begin()
        assert role.ended(timeout=10) == [None]
        return "expire soon could not be renewed" in caplog.text

    eventually(said, timeout=20)
    scripted.roles = [900]

    def renewed():
        role.begin()
        return role.ended(timeout=10) == [None] and scripted.keys[-1] == "ROLE2"

    # A failed renewal is not tried again for 5 seconds.
    eventually(renewed, timeout=30)


def test_where_none_are_left_that_is_told(scripted, role):
    role.lasts(10)
    role.begin()

    with pytest.raises(CredentialsMissing):
        role.ended(timeout=20)


def test_a_page_in_the_place_of_sts_is_a_renewal_that_fails(scripted, role, eventually, caplog):
    role.lasts(55)
    role._assume = lambda: (200, b"<html><body>Sign in to the network</body></html>")

    def said():
        role.begin()
        assert role.ended(timeout=10) == [None]
        return "expire soon could not be renewed" in caplog.text

    eventually(said, timeout=20)
