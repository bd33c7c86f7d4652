"""Each event of AWS, as its documentation shows it, is read."""

import dataclasses
import datetime
import json
from datetime import timezone
from decimal import Decimal

import pytest

from django_sqs_kombu import ConfigurationError, MessageDecodeError, RawMessage
from django_sqs_kombu.events import (
    CloudWatchAlarm,
    DynamoDBRecord,
    EventBridgeEvent,
    S3Event,
    SESEvent,
    SNSMessage,
)
from django_sqs_kombu.events.writing import compact
from django_sqs_kombu.testing import received_message
from django_sqs_kombu.transport.sending.checks import FORBIDDEN

from . import samples

WRAPPERS = pytest.mark.parametrize("wrap", [lambda event: event, samples.by_sns], ids=["", "sns"])


@dataclasses.dataclass
class Order:
    number: int
    due: datetime.date


@dataclasses.dataclass
class Item:
    Id: int
    Message: str
    Price: Decimal = Decimal(0)


@pytest.fixture
def read(receivers):
    """A message as its receiver gets it."""

    def read(cls, event, **options):
        attributes = options.pop("attributes", None)
        queue = receivers.register("events", print, message_class=cls, **options)
        return received_message(queue, body=event, attributes=attributes)

    return read


@WRAPPERS
def test_an_object_of_s3_has_the_key_that_it_has_in_s3(read, wrap):
    message = read(S3Event, wrap(samples.S3))

    assert message.bucket == "amzn-s3-demo-bucket"
    assert message.key == "bilder/Schöne Aussicht+1.jpg"
    assert (message.name, message.size) == ("ObjectCreated:Put", 1024)
    assert message.version_id == "096fKKXTRTtl3on89fVO.nfljtsv6qko"
    assert message.sequencer == "0055AED6DCD90281E5"
    assert message.time == datetime.datetime(1970, 1, 1, microsecond=123000, tzinfo=timezone.utc)
    assert message.get_body() == samples.S3["Records"][0]
    assert (message.notification is None) == ("Records" in wrap(samples.S3))


def test_a_removed_object_has_no_size(read):
    event = samples.s3_of("a")
    del event["Records"][0]["s3"]["object"]["size"]

    assert read(S3Event, event).size is None


def test_what_sns_wraps_is_told(read):
    attributes = {"AWS.SNS.MOBILE": {"Type": "String", "Value": "x"}, "kind": {"Type": "Binary"}}
    message = read(SNSMessage, samples.by_sns("Hello world!", MessageAttributes=attributes))

    assert message.get_body() == "Hello world!"
    assert (message.topic, message.subject) == (samples.TOPIC, "My First Message")
    assert message.published_attributes == {"AWS.SNS.MOBILE": "x"}
    assert message.notification.time.isoformat() == "2012-05-02T00:54:06.655000+00:00"


def test_raw_delivery_of_sns_is_what_was_published(read):
    message = read(SNSMessage, "Hello world!", attributes={"kind": "greeting"})

    assert message.get_body() == "Hello world!"
    assert message.topic is message.subject is None
    assert message.published_attributes == {"kind": "greeting"}


@WRAPPERS
def test_what_was_published_can_have_a_model(read, wrap):
    message = read(SNSMessage, wrap({"number": "7", "due": "2026-01-31"}), model=Order)

    assert message.get_body() == Order(7, datetime.date(2026, 1, 31))


def test_what_sns_says_is_told_of_each_part():
    event = samples.by_sns(samples.s3_of("a", "b"))
    parts = [S3Event(body=part) for part in S3Event(body=event).parts()]

    assert [part.key for part in parts] == ["a", "b"]
    assert [part.notification.topic for part in parts] == [samples.TOPIC] * 2
    assert "Signature" not in json.loads(parts[0].get_body_encoded())


def test_what_sns_says_is_not_multiplied_beyond_measure():
    event = samples.by_sns({"Records": [7] * 10_000}, Subject="x" * 100_000)

    assert sum(map(len, S3Event(body=event).parts())) < 1_000_000


@WRAPPERS
def test_an_event_of_a_bus_is_its_detail(read, wrap):
    message = read(EventBridgeEvent, wrap(samples.S3_BY_EVENTBRIDGE))

    assert message.get_body()["object"]["key"] == "example+key"
    assert (message.source, message.detail_type) == ("aws.s3", "Object Created")
    assert message.resources == ("arn:aws:s3:::amzn-s3-demo-bucket1",)
    assert message.time == datetime.datetime(2021, 11, 12, tzinfo=timezone.utc)
    assert (message.account, message.region) == ("111122223333", "ca-central-1")


def test_the_detail_of_an_event_can_have_a_model(read):
    message = read(EventBridgeEvent, samples.ORDER_PLACED, model=Order)

    assert message.get_body() == Order(7, datetime.date(2026, 1, 31))
    assert message.event["source"] == "com.example.shop"


@pytest.mark.parametrize(
    ("event", "name", "recipients", "permanent"),
    [
        (samples.SES_BOUNCE, "Bounce", ("jane@example.com",), True),
        (samples.SES_COMPLAINT, "Complaint", ("richard@example.com",), False),
        (samples.SES_DELIVERY, "Delivery", ("jane@example.com",), False),
        (samples.SES_SEND, "Send", tuple(samples.MAIL["destination"]), False),
        (samples.SES_RECEIVED, "Received", ("recipient@example.com",), False),
    ],
)
def test_a_mail_tells_what_became_of_it_and_for_whom(read, event, name, recipients, permanent):
    for message in (
        read(SESEvent, samples.by_sns(event)),
        read(SESEvent, event),
        read(SESEvent, {"source": "aws.ses", "detail-type": "Email Sent", "detail": event}),
    ):
        assert (message.name, message.recipients) == (name, recipients)
        assert message.is_permanent is permanent
        assert message.mail_id == samples.MAIL["messageId"]
        assert message.get_body() == event


def test_an_alarm_tells_what_has_changed(read):
    message = read(CloudWatchAlarm, samples.by_sns(samples.ALARM))

    assert (message.name, message.old_state, message.state) == ("Example alarm name", "OK", "ALARM")
    assert message.metric == ("ExampleNamespace", "DeliveryErrors")
    assert message.time.isoformat() == "2017-01-12T16:30:42.236000+00:00"
    assert message.reason.startswith("Threshold Crossed")
    assert message.get_body() == samples.ALARM


def test_an_alarm_of_alarms_has_no_metric(read):
    message = read(CloudWatchAlarm, samples.COMPOSITE_ALARM)

    assert (message.state, message.metric) == ("OK", None)


def test_a_changed_item_is_plain_python(read):
    message = read(DynamoDBRecord, samples.DYNAMODB)

    assert message.get_body() == {
        "Id": Decimal(101),
        "Message": "This item has changed",
        "Price": Decimal("12.50"),
        "Paid": True,
        "Note": None,
        "Tags": {"a", "b"},
        "Sizes": {Decimal(1), Decimal("2.5")},
        "Blob": b"\0\1\2",
        "Blobs": {b"\0\1\2"},
        "Lines": [{"sku": "x"}],
    }
    assert message.old == {"Id": Decimal(101), "Message": "New item!"}
    assert (message.name, message.table) == ("MODIFY", "EventSourceTable")
    assert message.keys == {"Id": Decimal(101)}
    assert message.time == datetime.datetime(2016, 11, 18, 20, 9, tzinfo=timezone.utc)


def test_a_changed_item_can_have_a_model(read):
    message = read(DynamoDBRecord, samples.DYNAMODB, model=Item)

    assert message.get_body() == message.new == Item(101, "This item has changed", Decimal("12.5"))
    assert message.old == Item(101, "New item!")


def test_a_removed_item_is_none(read):
    message = read(DynamoDBRecord, samples.DYNAMODB_REMOVE, model=Item)

    assert message.get_body() is None
    assert message.old == Item(101, "This item has changed")


@pytest.mark.parametrize("blank", ["", " ", "\n", "\r\n\t"])
def test_records_after_a_blank_are_records(read, blank):
    message = read(DynamoDBRecord, f"{blank}[{json.dumps(samples.DYNAMODB)}]")

    assert message.keys == {"Id": 101}


def test_an_event_of_a_schedule_has_a_detail(read):
    event = read(EventBridgeEvent, samples.SCHEDULED)

    assert (event.source, event.get_body()) == ("aws.scheduler", {})
    for detail in ("7", "text", "[]", ""):
        with pytest.raises(MessageDecodeError, match="detail is missing"):
            read(EventBridgeEvent, {**samples.SCHEDULED, "detail": detail})


@pytest.mark.parametrize("together", [list, lambda records: {"Records": records}])
@WRAPPERS
def test_a_part_of_an_event_is_no_larger_than_in_the_event(wrap, together):
    texts = {"text": {"S": "\u6f22\u5b57" * 1_000}, "half": {"S": '\ud800 \uffff \0 "'}}
    record = {**samples.DYNAMODB, "dynamodb": {"NewImage": texts}}
    text = compact(wrap(together([record, record])))
    part = DynamoDBRecord(body=text).parts()[0]

    assert FORBIDDEN.search(part) is None
    assert len(part.encode()) < len(text.encode()) / 2 + 500
    assert DynamoDBRecord(body=part).new == DynamoDBRecord(body=compact(record)).new
    assert DynamoDBRecord(body=part).new["half"] == texts["half"]["S"]


ALL = [S3Event, EventBridgeEvent, SESEvent, CloudWatchAlarm, DynamoDBRecord]


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize(
    "text",
    [
        *("", "  ", "nonsense", "7", "[1]", "{}", "null", '{"Records": 7}', "[" * 100_000),
        *('{"Records": [7]}', '{"detail": {}, "source": 1, "detail-type": []}', '{"dynamodb": {}}'),
    ],
)
def test_what_is_no_such_event_cannot_be_decoded(receivers, cls, text):
    queue = receivers.register("events", print, message_class=cls)
    plain = receivers.register("plain", print, message_class=RawMessage)
    delivery = received_message(plain, body=text)._delivery
    with pytest.raises(MessageDecodeError):
        cls.from_delivery(delivery, queue.get_queue())


@pytest.mark.parametrize(
    "item",
    [{"N": "many"}, {"B": "?"}, {"X": 1}, {}, {"S": "a", "N": "1"}, 7, {"L": [7]}, {"NS": 5}],
)
def test_an_item_that_dynamodb_never_writes_cannot_be_decoded(read, item):
    record = {**samples.DYNAMODB, "dynamodb": {"NewImage": {"a": item}}}
    with pytest.raises(MessageDecodeError):
        read(DynamoDBRecord, record)


@pytest.mark.parametrize("cls", [S3Event, CloudWatchAlarm])
def test_what_came_by_a_bus_names_the_class_for_it(read, cls):
    with pytest.raises(MessageDecodeError, match="use EventBridgeEvent"):
        read(cls, samples.S3_BY_EVENTBRIDGE)


def test_what_does_not_fit_the_model_says_where(read):
    event = {**samples.ORDER_PLACED, "detail": {"number": "many", "due": "2026-01-31"}}
    with pytest.raises(MessageDecodeError, match="Not a valid Order: number") as caught:
        read(EventBridgeEvent, event, model=Order)

    assert "many" not in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("event", "count"), [(samples.s3_of("a", "b"), 2), (samples.S3_TEST, 0)], ids=["two", "none"]
)
def test_a_test_is_told_that_no_receiver_gets_what_stands_for_several(read, event, count):
    with pytest.raises(ConfigurationError, match=f"it stands for {count} messages"):
        read(S3Event, event)


@pytest.mark.parametrize("cls", [*ALL, SNSMessage])
def test_a_subscription_to_be_confirmed_is_no_event(read, cls):
    with pytest.raises(MessageDecodeError, match=r"SubscriptionConfirmation.*MyTopic"):
        read(cls, samples.CONFIRMATION)


def test_a_model_stands_beside_no_other_message_class(receivers):
    with pytest.raises(ConfigurationError, match="not both"):
        receivers.register("events", print, message_class=RawMessage, model=Order)


def test_a_model_that_is_none_is_refused_at_once(receivers):
    with pytest.raises(ConfigurationError, match="model must be"):
        receivers.register("events", print, message_class=EventBridgeEvent, model=["Order"])


def test_the_body_as_aws_wrote_it_can_be_had(read):
    message = read(EventBridgeEvent, samples.by_sns(samples.ORDER_PLACED))

    assert json.loads(message.get_body_encoded())["TopicArn"] == samples.TOPIC
