"""The original's API, name for name, in a Django project."""

import inspect
import uuid
from typing import ClassVar

import kombu
import pytest
from django.apps import apps
from django.db import InterfaceError, InternalError, OperationalError, connections
from django.db.models import QuerySet

import django_sqs
from django_sqs import registered_queue
from django_sqs.message import BigMessage, JSONMessage, Message, ModelInstanceMessage, RawMessage
from django_sqs.registered_queue import RegisteredQueue
from django_sqs_kombu import (
    ConfigurationError,
    EnvironmentFailure,
    MessageDecodeError,
    MessageEncodeError,
    MessageTargetMissing,
    SendManyFailed,
    UnknownQueue,
    UnknownSuffixWarning,
)
from django_sqs_kombu.working import Retry
from tests.site.shop.models import Order, Run
from tests.site.shop.receivers import default_named, receive_plain, receive_row

pytestmark = pytest.mark.django_db


def test_names_of_the_original():
    for name in (
        "receiver",
        "register",
        "send",
        "queues",
        "RestartLater",
        "TimedOut",
        "UnknownSuffixWarning",
    ):
        assert hasattr(django_sqs, name)
    for name in ("RegisteredQueue", "ReceiverProxy", "RestartLater", "TimedOut"):
        assert hasattr(registered_queue, name)
    queue = registered_queue.RegisteredQueue
    assert queue.ReceiverProxy is registered_queue.ReceiverProxy
    for name in (
        "full_name",
        "get_queue",
        "get_receiver_proxy",
        "send",
        "receive",
        "receive_single",
        "receive_loop",
    ):
        assert callable(getattr(queue, name))


def test_signatures_take_what_the_original_took():
    send = inspect.signature(django_sqs.send).parameters
    assert list(send)[:3] == ["queue_name", "message", "suffix"]
    queue = registered_queue.RegisteredQueue(
        "standalone", print, 30, JSONMessage, 5, True, True, ("a",)
    )
    assert queue.visibility_timeout == 30
    assert queue.message_class is JSONMessage
    assert queue.timeout == 5
    assert queue.delete_on_start
    assert queue.close_database
    assert queue.suffixes == ("a",)


def test_receivers_were_discovered_and_registered():
    queue = django_sqs.queues["plain"]

    assert isinstance(queue, registered_queue.RegisteredQueue)
    assert isinstance(receive_plain, registered_queue.RegisteredQueue.ReceiverProxy)
    assert receive_plain.registered_queue is queue
    assert inspect.isfunction(receive_plain.direct)


def test_prefix_comes_from_the_settings(prefix):
    assert django_sqs.queues["plain"].full_name() == f"{prefix}__plain"
    assert django_sqs.queues["plain"].full_name("big") == f"{prefix}__plain__big"
    assert default_named.registered_queue.full_name() == (
        f"{prefix}__tests__site__shop__receivers__default_named"
    )


def test_visibility_timeout_comes_from_the_settings(site):
    site.SQS_DEFAULT_VISIBILITY_TIMEOUT = 77

    queue = django_sqs.queues["plain"].get_queue()

    assert isinstance(queue, kombu.Queue)
    assert queue.queue_arguments["VisibilityTimeout"] == "77"


def test_send_and_receive_single():
    receive_plain(body="by proxy")
    receive_plain(Message(body="by message"), suffix="big")
    django_sqs.send("plain", body="by send")

    plain = django_sqs.queues["plain"]
    bodies = {plain.receive_single()[0].get_body() for _ in range(2)}
    assert bodies == {"by proxy", "by send"}
    assert plain.receive_single("big")[0].get_body() == "by message"
    assert Run.objects.count() == 3


def test_an_unknown_suffix_is_warned_of_at_the_line_that_gives_it(sqs_outbox):
    for send in (
        lambda: receive_plain(body="x", suffix="bug"),
        lambda: django_sqs.send("plain", body="x", suffix="bug"),
        lambda: django_sqs.send_many("plain", ["x"], suffix="bug"),
        lambda: django_sqs.queues["plain"].full_name("bug"),
    ):
        with pytest.warns(UnknownSuffixWarning, match="Unknown suffix 'bug'") as warned:
            send()
        assert {each.filename for each in warned} == {__file__}


def test_receive_loop(prefix):
    receive_plain(body="a")
    receive_plain(body="b")

    django_sqs.queues["plain"].receive_loop(message_limit=2)

    assert sorted(Run.objects.values_list("body", flat=True)) == ["a", "b"]


def test_model_instance_travels_as_its_key():
    order = Order.objects.create(title="first")

    receive_row(instance=order)
    Order.objects.update(title="changed since")
    message, _ = receive_row.registered_queue.receive_single()

    assert message.get_instance() == order
    assert message.get_instance().title == "changed since"


def test_a_script_is_told_that_no_receivers_were_imported(monkeypatch):
    with pytest.raises(UnknownQueue) as misspelt:
        django_sqs.send("rowz", body="x")
    assert str(misspelt.value).endswith("receivers.py of an app in INSTALLED_APPS.")

    monkeypatch.setattr(apps, "is_installed", lambda name: False)
    with pytest.raises(UnknownQueue, match="'django_sqs' is missing from INSTALLED_APPS"):
        django_sqs.send("rowz", body="x")

    monkeypatch.setattr(apps, "models_ready", False)
    with pytest.raises(UnknownQueue, match=r"call django\.setup\(\) first"):
        django_sqs.send("rowz", body="x")


def test_model_instance_bytes_are_those_of_the_original():
    order = Order(pk=99, title="x")

    assert ModelInstanceMessage(instance=order).get_body_encoded() == (
        "WyJzaG9wIiwgIm9yZGVyIiwgOTld"
    )
    assert ModelInstanceMessage(instance=order).dump() == (
        '["shop", "order", 99]',
        "application/json",
    )


def test_model_instance_is_read_from_the_original_bytes():
    Order.objects.create(pk=99, title="there")

    instance = ModelInstanceMessage().decode("WyJzaG9wIiwgIm9yZGVyIiwgOTld")

    assert instance.title == "there"


def test_a_key_that_json_does_not_know_is_text():
    key = uuid.UUID(int=5)

    _, text = ModelInstanceMessage(instance=Order(pk=key)).dump()[0].split("order")

    assert str(key) in text


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("WyJzaG9wIiwgIm9yZGVyIiwgOTld", "no shop.order with primary key 99 any more"),
        ("WyJzaG9wIiwgIm5vdGhpbmciLCAxXQ==", "names no model"),
        ("eyJhIjogMX0=", "names no model"),
        ("NQ==", "names no model"),
        ("no base64", "nor base64 of JSON"),
    ],
)
def test_instances_that_cannot_be_read(body, says):
    with pytest.raises(MessageDecodeError, match=says):
        ModelInstanceMessage().decode(body)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("WyJzaG9wIiwgIm9yZGVyIiwgOTld", MessageTargetMissing),
        ("WyJzaG9wIiwgIm5vdGhpbmciLCAxXQ==", MessageTargetMissing),
        ("NQ==", MessageDecodeError),
    ],
)
def test_a_row_or_model_that_is_not_there_may_come(body, kind):
    with pytest.raises(MessageDecodeError) as raised:
        ModelInstanceMessage().decode(body)

    assert type(raised.value) is kind


def test_a_database_that_is_away_is_not_the_messages_fault(monkeypatch):
    def fail(*args, **kwargs):
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(QuerySet, "get", fail)

    with pytest.raises(EnvironmentFailure, match="server closed the connection"):
        ModelInstanceMessage().decode("WyJzaG9wIiwgIm9yZGVyIiwgOTld")


def test_what_receivers_may_raise_for_a_reason_that_passes(settings):
    retry = django_sqs.receivers.passing
    assert retry == Retry((OperationalError, InterfaceError, InternalError), 10)

    settings.SQS_RETRY_ON = ["builtins.ConnectionError", TimeoutError]
    settings.SQS_RETRY_TRIES = 3

    assert django_sqs.receivers.passing == Retry((ConnectionError, TimeoutError), 3)


@pytest.mark.parametrize(
    ("instance", "says"),
    [
        (None, "instance="),
        ("text", "carries a model instance"),
        (Order(), "no primary key"),
        (Order(pk=b"\0\xff"), "primary key is binary"),
    ],
)
def test_instances_that_cannot_be_sent(instance, says):
    with pytest.raises(MessageEncodeError, match=says):
        django_sqs.send("rows", instance=instance)


def test_big_message_uses_the_settings_credentials(site):
    client = BigMessage()._client()

    assert client.meta.region_name == "us-east-1"
    assert client._request_signer._credentials.access_key == "testing"


def test_big_message_uses_the_s3_server_of_the_settings(site):
    site.SQS_S3_ENDPOINT_URL = "http://127.0.0.1:9"

    class Elsewhere(BigMessage):
        s3_options: ClassVar = {"endpoint_url": "http://127.0.0.1:10"}

    assert BigMessage()._client().meta.endpoint_url == "http://127.0.0.1:9"
    assert Elsewhere()._client().meta.endpoint_url == "http://127.0.0.1:10"


@pytest.mark.parametrize("way", ["send", "outbox", "send_many"])
def test_a_row_that_no_receiver_would_take_is_not_sent(way):
    run = Run(pk=1)
    sends = {
        "send": lambda: django_sqs.send("rows", instance=run),
        "outbox": lambda: django_sqs.send("rows", ModelInstanceMessage(instance=run), outbox=True),
        "send_many": lambda: django_sqs.send_many("rows", [run]),
    }

    with pytest.raises((MessageEncodeError, SendManyFailed), match="not among its models"):
        sends[way]()


def test_send_only_queue(counts):
    django_sqs.send("outgoing", RawMessage(body="x"))

    assert counts(django_sqs.queues["outgoing"].full_name()) == (1, 0, 0)


@pytest.mark.parametrize(("close_database", "closed"), [(True, 1), (False, 0)])
@pytest.mark.django_db(transaction=True)
def test_close_database_closes_a_connection_that_is_good(monkeypatch, close_database, closed):
    queue = registered_queue.RegisteredQueue("orders", print, close_database=close_database)
    connection = connections["default"]
    Run.objects.count()
    monkeypatch.setattr(connection, "close_at", None)
    closes = []
    monkeypatch.setattr(connection, "close", lambda: closes.append(True))

    with queue.around_message():
        pass

    assert len(closes) == closed


@pytest.mark.parametrize("models", ["shop.Order", 5, ["Order"], [5], [None], ["shop.Order", ""]])
def test_models_that_are_no_list_of_models(models):
    with pytest.raises(ConfigurationError, match="Queue 'rows-2': models must be a list"):
        RegisteredQueue("rows-2", print, models=models)


@pytest.mark.parametrize("once", ["no", 1, None])
def test_once_is_true_or_false(once):
    with pytest.raises(ConfigurationError, match="Queue 'once-2': once must be True or False"):
        RegisteredQueue("once-2", print, once=once)


def test_another_prefix_in_the_settings_counts_for_the_next_send(site):
    queue = RegisteredQueue("prefixed", print, models=["shop.Order"])
    site.SQS_QUEUE_PREFIX = "one"
    assert queue.get_queue().name == "one__prefixed"
    site.SQS_QUEUE_PREFIX = "two"
    site.SQS_WIRE_FORMAT = "raw"

    assert queue.get_queue().name == "two__prefixed"
    assert queue.get_queue() is queue.get_queue()
    assert queue.get_queue().queue_arguments["x-models"] == {"shop.order"}
    assert queue.wire_format == "raw"
