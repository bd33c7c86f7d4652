"""Sending at the commit of a transaction, asynchronous sends and receivers in Django."""

import asyncio
import contextlib
import time

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import router, transaction
from django.utils.functional import SimpleLazyObject

import django_sqs
from django_sqs.message import JSONMessage
from django_sqs_kombu import MessageEncodeError, Middleware
from django_sqs_kombu.exceptions import (
    ConfigurationError,
    MessageTooLarge,
    SendManyFailed,
    TimedOut,
)
from django_sqs_kombu.quotas import MAX_MESSAGE_BYTES
from django_sqs_kombu.working import deadline

from ..site.shop.models import Order


@pytest.fixture
def sent(settings, server, prefix, counts, sqs):
    settings.SQS_ENDPOINT_URL = server.url
    settings.SQS_QUEUE_PREFIX = prefix
    sqs.create_queue(QueueName=f"{prefix}__plain")
    yield lambda: counts(f"{prefix}__plain")[0]
    django_sqs.receivers.close()


@pytest.mark.django_db(transaction=True)
def test_a_send_waits_for_the_outermost_commit(sent):
    with transaction.atomic():
        with transaction.atomic():
            django_sqs.send("plain", body="x", on_commit=True)
        django_sqs.send("plain", body="now")
        assert sent() == 1

    assert sent() == 2


@pytest.mark.django_db(transaction=True)
def test_a_rollback_takes_its_sends_along(sent):
    with transaction.atomic():
        django_sqs.send("plain", body="kept", on_commit=True)
        with contextlib.suppress(KeyError), transaction.atomic():
            django_sqs.send("plain", body="gone", on_commit=True)
            assert django_sqs.send_many("plain", ["gone", "gone"], on_commit=True) == 2
            raise KeyError

    assert sent() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("options", [{}, {"on_commit": True}, {"outbox": True}])
def test_send_many_refuses_a_single_message_however_it_is_sent(sqs_outbox, options):
    for single in ("hello", {"n": 1}):
        with pytest.raises(ConfigurationError, match=r"'plain': send_many\(\) takes messages"):
            django_sqs.send_many("plain", single, **options)

    assert sqs_outbox == []


@pytest.mark.django_db(transaction=True)
def test_a_callback_of_the_site_that_raises_keeps_no_message_from_being_sent(sent):
    def fail():
        raise LookupError("the site's own callback")

    def commit():
        with transaction.atomic():
            django_sqs.send("plain", body="before", on_commit=True)
            transaction.on_commit(fail)
            django_sqs.send("plain", body="after", on_commit=True)
            with contextlib.suppress(KeyError), transaction.atomic():
                django_sqs.send("plain", body="rolled back", on_commit=True)
                raise KeyError
            django_sqs.send_many("plain", ["after", "that"], on_commit=True)

    with pytest.raises(LookupError, match="the site's own"):
        commit()
    assert sent() == 4

    with transaction.atomic():
        django_sqs.send("plain", body="another", on_commit=True)
    assert sent() == 5


class Slow(Middleware):
    """Has a send take longer than a time limit."""

    def __init__(self, limit):
        self.until = time.monotonic() + limit

    @contextlib.contextmanager
    def sending(self, sending):
        while time.monotonic() < self.until:
            time.sleep(0.01)
        yield


def commit_in_time(limit, monkeypatch):
    """Send three messages at a commit, the first of which takes longer than a time limit."""
    with deadline(limit), transaction.atomic():
        for number in range(3):
            django_sqs.send("plain", body=str(number), on_commit=True)
        slow = [*django_sqs.receivers.middleware, Slow(limit + 0.2)]
        monkeypatch.setattr(django_sqs.receivers, "middleware", slow)


@pytest.mark.django_db(transaction=True)
def test_a_time_limit_keeps_nothing_that_is_committed_from_being_sent(sent, monkeypatch, caplog):
    django_sqs.send("plain", body="connects")

    with pytest.raises(TimedOut):
        commit_in_time(3, monkeypatch)

    assert sent() == 4
    assert not [each for each in caplog.records if "after the commit" in each.message]


@pytest.mark.django_db(transaction=True)
def test_a_time_limit_that_strikes_a_callback_of_the_site_keeps_nothing_from_being_sent(sent):
    def commit():
        with deadline(2), transaction.atomic():
            transaction.on_commit(lambda: time.sleep(60))
            django_sqs.send("plain", body="x", on_commit=True)

    with pytest.raises(TimedOut):
        commit()

    assert sent() == 1


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_it_sends_at_once(sent):
    django_sqs.send("plain", body="x", on_commit=True)
    assert django_sqs.send_many("plain", (str(n) for n in range(3)), on_commit=True) == 3

    assert sent() == 4


@pytest.mark.django_db(transaction=True)
def test_the_setting_makes_it_the_default(sent, settings):
    settings.SQS_SEND_ON_COMMIT = True
    proxy = django_sqs.queues["plain"].get_receiver_proxy()

    with transaction.atomic():
        django_sqs.send("plain", body="x")
        proxy(body="y")
        django_sqs.send_many("plain", ["z"])
        django_sqs.send("plain", body="at once", on_commit=False)
        assert sent() == 1

    assert sent() == 4


@pytest.mark.django_db(transaction=True)
def test_what_is_wrong_with_a_message_is_raised_before_the_commit(sent):
    with transaction.atomic(), pytest.raises(MessageEncodeError):
        django_sqs.send("plain", body=object(), on_commit=True)

    assert sent() == 0


@pytest.mark.django_db(transaction=True)
def test_what_sqs_would_refuse_is_raised_before_the_commit(sent):
    with transaction.atomic(), pytest.raises(MessageTooLarge):
        django_sqs.send("plain", body="x" * MAX_MESSAGE_BYTES, on_commit=True)

    assert sent() == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("wrong", [object(), "\ud800", "x" * MAX_MESSAGE_BYTES])
def test_what_is_wrong_with_one_of_many_is_raised_before_the_commit(sent, wrong):
    with transaction.atomic():
        with pytest.raises(SendManyFailed) as failed:
            django_sqs.send_many("plain", ["a", wrong, "c"], on_commit=True)
        assert sent() == 0

    assert [each.number for each in failed.value.failures] == [1]
    assert failed.value.sent == sent() == 2


@pytest.mark.django_db(transaction=True)
def test_many_are_sent_as_they_were_when_they_were_given(sqs_outbox):
    django_sqs.register("numbers", message_class=JSONMessage)
    body = {"n": 1}

    with transaction.atomic():
        django_sqs.send_many("numbers", [body], on_commit=True)
        body["n"] = 2

    assert sqs_outbox[0].body == {"n": 1}


@pytest.mark.django_db(transaction=True)
def test_the_time_of_many_that_expire_counts_from_the_call(sqs_outbox, monkeypatch):
    with transaction.atomic():
        django_sqs.send_many("plain", ["x"], on_commit=True, expires=60)
        called = time.time()
        monkeypatch.setattr(time, "time", lambda: called + 30)

    assert sqs_outbox[0].outgoing.expires <= called + 60


@pytest.mark.django_db(transaction=True)
def test_a_send_that_fails_after_the_commit_stops_no_other(sent, server, prefix, caplog):
    server.faults["SendMessage", f"{prefix}__second"] = (403, "AccessDenied")
    try:
        with transaction.atomic():
            django_sqs.send("second", body="refused", on_commit=True)
            django_sqs.send("plain", body="x", on_commit=True)
            django_sqs.send_many("plain", ["y"], on_commit=True)
    finally:
        del server.faults["SendMessage", f"{prefix}__second"]

    assert sent() == 2
    [record] = [each for each in caplog.records if "after the commit" in each.message]
    assert "queue second" in record.message
    assert "sqs:SendMessage" in record.exc_text


@pytest.mark.django_db(transaction=True)
def test_a_row_waits_for_the_commit(sent, counts, prefix):
    def rows():
        return counts(f"{prefix}__rows")[0]

    with transaction.atomic(using=router.db_for_write(Order)):
        order = Order.objects.create(title="x")
        django_sqs.send("rows", instance=order, on_commit=False)
        assert rows() == 1
        django_sqs.send("rows", instance=order)
        django_sqs.send("rows", django_sqs.message.ModelInstanceMessage(instance=order))
        assert django_sqs.send_many("rows", iter([order, order])) == 2
        assert rows() == 1
    assert rows() == 5

    with contextlib.suppress(KeyError), transaction.atomic(using=router.db_for_write(Order)):
        django_sqs.send("rows", instance=Order.objects.create(title="y"))
        raise KeyError
    assert rows() == 5


class RoutesByApp:
    """Asks each model for its app, as routers do."""

    def db_for_write(self, model, **hints):
        assert model._meta.app_label


@pytest.mark.django_db(transaction=True)
def test_a_lazy_row_such_as_the_user_of_a_request_is_sent_beside_a_router(sent, settings, counts):
    order = Order.objects.create(title="lazy")
    settings.DATABASE_ROUTERS = [RoutesByApp(), *settings.DATABASE_ROUTERS]
    lazy = SimpleLazyObject(lambda: order)

    with transaction.atomic(using=router.db_for_write(Order)):
        django_sqs.send("rows", instance=lazy)
        assert django_sqs.send_many("rows", [lazy]) == 1

    assert counts(f"{settings.SQS_QUEUE_PREFIX}__rows")[0] == 2


def test_a_wrong_setting_is_named(settings):
    settings.SQS_SEND_ON_COMMIT = "yes"
    django_sqs.receivers.close()

    with pytest.raises(ImproperlyConfigured, match="SQS_SEND_ON_COMMIT"):
        django_sqs.receivers.new_connection()


@pytest.mark.django_db(transaction=True)
def test_asend(sent):
    async def send():
        await asyncio.gather(*(django_sqs.asend("plain", body=str(n)) for n in range(5)))
        await django_sqs.asend("plain", body="x", on_commit=True)

    asyncio.run(send())

    assert sent() == 6


def test_async_receivers_under_runreceiver(project, eventually, prefix, counts):
    worker = project.start("runreceiver", "async", "async_limited", "--processes=1", "--threads=2")
    project.run(
        "shell",
        "-c",
        "import django_sqs; [django_sqs.send('async', body=str(n)) for n in range(5)];"
        "django_sqs.send('async_limited', body='x')",
    )

    eventually(lambda: sorted(project.bodies("async")) == [str(n) for n in range(5)], timeout=30)
    eventually(lambda: "took its receiver too long" in worker.output, timeout=30)
    eventually(lambda: counts(f"{prefix}__async_limited") == (0, 0, 0))

    [run] = project.runs("async_limited")
    assert not run["finished"]


@pytest.mark.parametrize(
    "options",
    [{"on_commit": "no"}, {"on_commit": 0}, {"outbox": "false"}, {"outbox": 1}],
    ids=str,
)
def test_a_text_is_not_taken_for_true(options):
    [(name, value)] = options.items()
    wrong = rf"{name} must be True or False, not {value!r}"

    with pytest.raises(ConfigurationError, match=rf"send\(\): {wrong}"):
        django_sqs.send("plain", body="x", **options)
    with pytest.raises(ConfigurationError, match=rf"send\(\): {wrong}"):
        asyncio.run(django_sqs.asend("plain", body="x", **options))
    with pytest.raises(ConfigurationError, match=rf"send_many\(\): {wrong}"):
        django_sqs.send_many("plain", ["x"], **options)


def test_nor_for_a_ticket():
    with pytest.raises(ConfigurationError, match="ticket must be True or False, not 'no'"):
        django_sqs.send("plain", body="x", ticket="no")


@pytest.mark.django_db
@pytest.mark.parametrize("options", [{}, {"on_commit": True}, {"outbox": True}])
@pytest.mark.parametrize("using", ["nix", 5, ["default"]])
def test_a_database_that_is_not_there_is_refused_however_it_is_sent(sqs_outbox, options, using):
    for send, what in ((django_sqs.send, "x"), (django_sqs.send_many, ["x"])):
        with pytest.raises(ConfigurationError, match=r"using must be an alias of DATABASES \(def"):
            send("plain", what, using=using, **options)

    assert sqs_outbox == []
