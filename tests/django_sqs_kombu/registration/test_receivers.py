import re
import warnings

import kombu
import pytest

from django_sqs_kombu import (
    ConfigurationError,
    JSONMessage,
    Message,
    MessageEncodeError,
    NoReceiver,
    QueueNameError,
    RawMessage,
    Receivers,
    UnknownQueue,
    UnknownSuffixWarning,
    WrongMessageClass,
)


def handle(message):
    return message.get_body()


def test_decorated_receiver_is_a_proxy_that_sends(receivers):
    @receivers.receiver("orders")
    def receive_order(message):
        """What it does."""
        return f"got {message.get_body()}"

    assert receive_order.direct(Message(body="x")) == "got x"
    assert receive_order.registered_queue is receivers.queues["orders"]
    assert receive_order.__name__ == "receive_order"
    assert receive_order.__doc__ == "What it does."

    receive_order(body="by keyword")
    receive_order(Message(body="as message"))
    received = [receive_order.registered_queue.receive_single() for _ in range(2)]
    assert {result for _, result in received} == {"got by keyword", "got as message"}


def test_default_queue_name_is_module_and_function(receivers, prefix):
    proxy = receivers.receiver()(handle)

    module = "tests__django_sqs_kombu__registration__test_receivers"
    assert proxy.registered_queue.name == f"{module}__handle"
    assert proxy.registered_queue.full_name().startswith(f"{prefix}__tests__django_sqs_kombu")


def test_decorator_without_parentheses_is_an_error(receivers):
    with pytest.raises(ConfigurationError, match="parentheses above 'handle'"):
        receivers.receiver(handle)


def test_names_and_suffixes(receivers, prefix):
    queue = receivers.register("orders", handle, suffixes=("big",))

    assert queue.full_name() == f"{prefix}__orders"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert queue.full_name("big") == f"{prefix}__orders__big"
    with pytest.warns(UnknownSuffixWarning, match="Unknown suffix 'huge'"):
        assert queue.full_name("huge") == f"{prefix}__orders__huge"


def test_get_queue_is_a_kombu_queue(receivers, prefix):
    queue = receivers.register("orders", handle, visibility_timeout=5, suffixes=("big",))

    assert isinstance(queue.get_queue(), kombu.Queue)
    assert queue.get_queue("big").name == f"{prefix}__orders__big"
    assert queue.get_queue().queue_arguments["VisibilityTimeout"] == "5"


def test_suffix_is_a_queue_of_its_own(receivers):
    queue = receivers.register("orders", handle, suffixes=("big",))
    receivers.send("orders", suffix="big", body="x")

    assert queue.receive_single() is None
    message, result = queue.receive_single("big")
    assert result == "x"
    assert message.queue.name.endswith("__orders__big")


def test_send_only_queue_sends_and_does_not_receive(receivers, counts):
    queue = receivers.register("outgoing")
    receivers.send("outgoing", body="x")

    assert counts(queue.full_name()) == (1, 0, 0)
    with pytest.raises(NoReceiver, match="'outgoing'"):
        queue.receive(Message(body="x"))
    with pytest.raises(NoReceiver, match="'outgoing'"):
        queue.receive_loop()
    with pytest.raises(NoReceiver, match="'outgoing'"):
        queue.receive_single()
    assert counts(queue.full_name()) == (1, 0, 0)


def test_sending_to_an_unregistered_queue(receivers):
    receivers.register("orders", handle)

    with pytest.raises(UnknownQueue, match=r"No queue 'order' is registered.*orders") as caught:
        receivers.send("order", body="x")
    assert isinstance(caught.value, KeyError)


def test_sending_a_message_of_the_wrong_class(receivers):
    receivers.register("orders", handle, message_class=JSONMessage)

    with pytest.raises(WrongMessageClass, match="JSONMessage, the message class of queue 'orders'"):
        receivers.send("orders", Message(body="x"))
    with pytest.raises(ConfigurationError, match="not both"):
        receivers.send("orders", JSONMessage(body={}), body={})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"fn": None, "timeout": 5}, "only with a receiver"),
        ({"timeout": 0}, "above 0"),
        ({"timeout": "5"}, "above 0"),
        ({"message_class": dict}, "not a subclass"),
        ({"message_class": "Message"}, "not a subclass"),
        ({"visibility_timeout": 50_000}, "43,200"),
        ({"wire_format": "xml"}, "kombu, raw"),
        ({"fn": "handle"}, "not callable"),
        ({"queue_name": "two words"}, "letters, digits"),
        ({"queue_name": "x" * 81}, "81 characters"),
        ({"suffixes": ("a b",)}, "letters, digits"),
    ],
)
def test_registrations_that_cannot_work(receivers, options, says):
    options = {"queue_name": "orders", "fn": handle, **options}

    with pytest.raises(ConfigurationError, match=says):
        receivers.register(**options)
    assert receivers.queues == {}


def test_prefix_counts_for_the_length_of_a_name():
    queue = Receivers(prefix="p" * 40).register("q" * 60, handle)

    with pytest.raises(QueueNameError, match="102 characters"):
        queue.full_name()


def test_a_name_registered_with_two_receivers(receivers):
    receivers.register("orders", handle)
    receivers.register("orders", handle)

    with pytest.raises(ConfigurationError, match="registered twice"):
        receivers.register("orders", print)


def test_a_queue_may_be_registered_for_sending_before_its_receiver_is(receivers):
    early = receivers.register("orders")
    early.send(body="sent before")

    late = receivers.register("orders", handle)

    assert receivers.get("orders") is late
    assert late.receive_single()[1] == "sent before"
    with pytest.raises(ConfigurationError, match="with no receiver"):
        receivers.register("orders")


@pytest.mark.parametrize(
    "options", [{"poll_period": 21}, {"wire_format": "xml"}, {"visibility_timeout": -1}]
)
def test_registry_options_that_cannot_work(options):
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Receivers(**options)


def test_a_connection_with_another_transport_is_refused():
    receivers = Receivers(kombu.Connection("memory://"))
    receivers.register("orders")

    with pytest.raises(ConfigurationError, match="this library's transport"):
        receivers.send("orders", body="x")


@pytest.mark.parametrize("habit", ["delay", "apply_async", "s"])
def test_a_habit_from_celery_is_answered_with_how_to_send(habit):
    proxy = Receivers().receiver("orders")(handle)

    assert not hasattr(proxy, habit)
    says = f"no {habit}(). To send a message, call the receiver itself, as in handle(body=...)"
    with pytest.raises(AttributeError, match=re.escape(says)):
        getattr(proxy, habit)
    with pytest.raises(AttributeError, match="'ReceiverProxy' object has no attribute 'dealy'"):
        proxy.dealy(5)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:4566", "no transport for URLs that begin with http://"),
        ("https://AKIA:secret@sqs.eu-central-1.amazonaws.com", "that begin with https://"),
        ("sqs_batch://", "that begin with sqs_batch://"),
        ("other+sqs-batch://", "cannot load"),
        ("sqs://", "kombu.transport.SQS.Transport"),
        ("AKIA:secret@127.0.0.1:4566", "has no scheme"),
        ("", "has no scheme"),
        (None, "None is neither"),
    ],
)
def test_a_broker_url_of_another_kind_is_answered_with_one_that_works(url, why):
    receivers = Receivers(url)
    receivers.register("orders")

    with pytest.raises(ConfigurationError, match=re.escape(why)) as raised:
        receivers.send("orders", body="x")

    assert "Use a URL that begins with sqs-batch://" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_receive_single_passes_errors_on_and_settles_the_message(receivers, counts):
    @receivers.receiver("orders")
    def fail(message):
        raise ZeroDivisionError

    fail(body="x")
    with pytest.raises(ZeroDivisionError):
        fail.registered_queue.receive_single()
    assert counts(fail.registered_queue.full_name()) == (0, 0, 0)


def test_raw_wire_format_is_what_the_original_wrote(receivers, sqs):
    queue = receivers.register("orders", handle, wire_format="raw")
    receivers.send("orders", body="hello")

    url = sqs.get_queue_url(QueueName=queue.full_name())["QueueUrl"]
    [message] = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    assert message["Body"] == "aGVsbG8="
    assert queue.receive_single()[1] == "hello"


def test_messages_that_an_original_left_are_received(receivers, sqs):
    queue = receivers.register("orders", handle)
    url = sqs.create_queue(QueueName=queue.full_name())["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="aGVsbG8=")

    assert queue.receive_single()[1] == "hello"


def test_unencodable_message_is_an_error_before_any_request(receivers, server):
    queue = receivers.register("orders", message_class=RawMessage)

    with pytest.raises(MessageEncodeError):
        receivers.send("orders", body=5)
    assert server.count("SendMessage", queue.full_name()) == 0


def test_delay_group_and_deduplication(receivers, sqs, counts):
    receivers.register("orders")
    receivers.register("orders.fifo", suffixes=("eu",))
    receivers.send("orders", body="x", delay=60)
    receivers.send("orders.fifo", body="x", suffix="eu", group_id="g", deduplication_id="d")

    assert counts(receivers.get("orders").full_name()) == (0, 0, 1)
    name = receivers.get("orders.fifo").full_name("eu")
    assert name.endswith("__orders__eu.fifo")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    [message] = sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"]
    assert message["Attributes"]["MessageGroupId"] == "g"


def test_a_secret_that_is_not_encoded_is_told_and_not_shown():
    receivers = Receivers("sqs-batch://AKIA:hidden/se+cret@")
    receivers.register("orders")

    with pytest.raises(ConfigurationError, match="Percent-encode") as raised:
        receivers.send("orders", body="x")

    assert raised.value.__suppress_context__
