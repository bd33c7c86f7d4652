"""A cache that is away, or full, costs requests to SQS, and no page."""

import logging

import pytest
from django.core.cache.backends.locmem import LocMemCache
from django.db import router, transaction

import django_sqs
from django_sqs.monitor import ages
from django_sqs.monitor.report import forget_counts, state_of
from django_sqs.operations.queues import targets
from django_sqs.tickets.models import UniqueKey

from .test_views import client  # noqa: F401


class Full(LocMemCache):
    """As Redis without an eviction policy, whose memory is used up, and then it is away."""

    def set(self, *args, **kwargs):
        raise RuntimeError("OOM command not allowed when used memory > 'maxmemory'")

    def delete(self, *args, **kwargs):
        raise ConnectionError("Connection reset by peer")


class Away(Full):
    def get(self, *args, **kwargs):
        raise ConnectionError("Connection refused")


@pytest.fixture(params=["Full", "Away"], autouse=True)
def broken(request, site):
    site.CACHES = {"default": {"BACKEND": f"{__name__}.{request.param}"}}


@pytest.fixture
def no_table(site):
    """As before ``manage.py createcachetable``."""
    backend = "django.core.cache.backends.db.DatabaseCache"
    site.CACHES = {"default": {"BACKEND": backend, "LOCATION": "nowhere"}}


@pytest.fixture
def target(server):
    django_sqs.send("plain", body="x")
    return next(iter(targets([django_sqs.queues["plain"]])))


def test_the_view_answers(client, target, eventually):  # noqa: F811
    eventually(lambda: client.get("/sqs/status/").status_code == 200)

    assert b"plain\t1\n" in client.get("/sqs/status/").content


def test_the_pages_show_what_sqs_says(target, caplog):
    with caplog.at_level(logging.WARNING):
        assert state_of(target).counts.visible == 1

    assert "cannot be used, so AWS is asked each time: " in caplog.text


def test_what_was_done_stays_done(target):
    """An action of the admin's was told as an error when it had been done."""
    forget_counts(target)


def test_and_they_tell_ages(site, monkeypatch):
    site.SQS_CLOUDWATCH = True
    monkeypatch.setattr(ages, "_ask", lambda names: [("plain", 60.0)])

    assert ages.oldest_ages() == {"plain": 60.0}


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_cache_in_the_database_costs_a_transaction_nothing(no_table, target):
    """As one of ATOMIC_REQUESTS, which PostgreSQL would undo without a word."""
    with transaction.atomic(using=router.db_for_write(UniqueKey)):
        UniqueKey.objects.create(digest="x", expires=9e9, ticket_id="x")
        assert state_of(target).counts.visible == 1
        forget_counts(target)

    assert UniqueKey.objects.filter(digest="x").exists()
