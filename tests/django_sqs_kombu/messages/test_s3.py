"""BigMessage: its objects, and those that no message may name."""

import io
from types import SimpleNamespace

import pytest

from django_sqs_kombu import (
    AccessDenied,
    BigMessage,
    ConfigurationError,
    MessageDecodeError,
    MessageEncodeError,
    ReceiverConsumer,
    RequestFailed,
)

from .test_boto import delivery


@pytest.fixture
def bucket(server, prefix, s3):
    options = {
        "endpoint_url": server.url,
        "region_name": "us-east-1",
        "aws_access_key_id": "testing",
        "aws_secret_access_key": "testing-secret",
    }

    class LocalBigMessage(BigMessage):
        s3_options = options

    return SimpleNamespace(name=prefix, client=s3, cls=LocalBigMessage)


@pytest.mark.parametrize("body", [b"much data", "much data"])
def test_big_message_keeps_its_body_in_s3(bucket, body):
    url = bucket.cls(body=body, s3_url=f"s3://{bucket.name}").get_body_encoded()

    received = bucket.cls.from_delivery(delivery(url))
    assert received.get_body() == b"much data"
    assert received.s3_url == url
    received._delivery = None
    received.delete()
    assert "Contents" not in bucket.client.list_objects_v2(Bucket=bucket.name)


def test_big_message_uses_an_object_that_is_there(bucket):
    bucket.client.put_object(Bucket=bucket.name, Key="there", Body=b"data")
    url = f"s3://{bucket.name}/there"

    assert bucket.cls(s3_url=url).get_body_encoded() == url
    assert bucket.cls.from_delivery(delivery(url)).get_body() == b"data"


def test_big_message_whose_object_is_gone(bucket):
    with pytest.raises(MessageDecodeError, match="cannot read s3://"):
        bucket.cls.from_delivery(delivery(f"s3://{bucket.name}/gone"))


def refuse(*args):
    raise AssertionError("S3 was asked")


@pytest.mark.parametrize("buckets", [[], ["videos"], ["videos/incoming/"], ("v", "others/")])
@pytest.mark.parametrize(
    "url",
    [
        "s3://backups/db.sql",
        "s3://videos-2/incoming/x",
        "s3://video/incoming/x",
        "s3://backups/videos/incoming/x",
        "s3://backups\nERROR forged/x",
    ],
)
def test_an_object_elsewhere_is_neither_read_nor_deleted_nor_sent(buckets, url, monkeypatch):
    class Videos(BigMessage):
        pass

    Videos.buckets = buckets
    monkeypatch.setattr(Videos, "_client", refuse)
    with pytest.raises(MessageDecodeError, match=r"is not in Videos\.buckets") as raised:
        Videos.from_delivery(delivery(url))
    assert str(raised.value).isprintable()
    with pytest.raises(MessageEncodeError, match=r"is not in Videos\.buckets"):
        Videos(s3_url=url).get_body_encoded()
    with pytest.raises(MessageDecodeError):
        Videos(s3_url=url).delete()


@pytest.mark.parametrize("buckets", ["videos", "", ["s3://videos"], ["/videos"], [5], ["a b/"]])
def test_buckets_that_no_message_could_name_are_refused(buckets):
    with pytest.raises(ConfigurationError, match=r"Videos.buckets must be a list .* without 's3"):
        type("Videos", (BigMessage,), {"buckets": buckets})


def test_a_part_of_a_bucket_may_be_named_and_new_objects_go_there(bucket):
    class Videos(bucket.cls):
        buckets = (f"{bucket.name}/incoming/",)

    url = Videos(body=b"much", s3_url=f"s3://{bucket.name}").get_body_encoded()
    bucket.client.put_object(Bucket=bucket.name, Key="backup", Body=b"x")

    assert url.startswith(f"s3://{bucket.name}/incoming/")
    assert Videos.from_delivery(delivery(url)).get_body() == b"much"
    with pytest.raises(MessageDecodeError, match="buckets"):
        Videos.from_delivery(delivery(f"s3://{bucket.name}/backup"))


def test_an_object_that_is_too_large_is_neither_read_nor_written(bucket):
    class Small(bucket.cls):
        max_bytes = 3

    bucket.client.put_object(Bucket=bucket.name, Key="there", Body=b"data")
    with pytest.raises(MessageDecodeError, match="it has 4 bytes, more than the 3 that are read"):
        Small.from_delivery(delivery(f"s3://{bucket.name}/there"))
    with pytest.raises(MessageEncodeError, match="max_bytes"):
        Small(body=b"data", s3_url=f"s3://{bucket.name}").get_body_encoded()


def test_s3_is_not_waited_for_long(bucket):
    config = bucket.cls()._client().meta.config

    assert (config.connect_timeout, config.read_timeout) == (3, 5)
    assert config.retries["total_max_attempts"] == 2


@pytest.fixture
def bigs(receivers, bucket):
    """Two queues, and what their receivers got."""
    seen = []

    def register(name, receive=None):
        got = receive or (lambda message: seen.append((name, message.get_body())))
        return receivers.register(name, got, message_class=bucket.cls)

    def receive(*queues):
        for queue in queues:
            ReceiverConsumer(receivers, [queue], message_limit=1).run()
        return seen

    return SimpleNamespace(register=register, receive=receive)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "film"
    path.write_bytes(b"-much")
    with path.open("rb") as file:
        file.read(1)
        yield file


@pytest.mark.parametrize("body", [b"much", "much", io.BytesIO(b"much"), None])
def test_a_message_that_is_sent_to_two_queues_has_an_object_for_each(bucket, bigs, body, file):
    """The first receiver's end deleted the only one, and the second message was lost."""
    one, two = bigs.register("one"), bigs.register("two")
    message = bucket.cls(body=file if body is None else body, s3_url=f"s3://{bucket.name}")

    one.send(message)
    two.send(message)

    assert bigs.receive(one, two) == [("one", b"much"), ("two", b"much")]
    assert "Contents" not in bucket.client.list_objects_v2(Bucket=bucket.name)


class Stream(io.BytesIO):
    """What can be read once."""

    def seekable(self):
        return False

    def seek(self, *args):
        raise OSError("no places here")

    tell = seek


def test_a_file_that_can_be_read_once_is_sent_once(bucket, bigs):
    queue = bigs.register("one")
    message = bucket.cls(body=Stream(b"much"), s3_url=f"s3://{bucket.name}")
    queue.send(message)

    with pytest.raises(MessageEncodeError, match="cannot be sent again"):
        queue.send(message)
    assert bigs.receive(queue) == [("one", b"much")]


@pytest.mark.parametrize("body", ["much", Stream])
def test_a_message_that_sqs_refused_is_sent_again_with_its_object(bucket, bigs, body, server):
    """Another one was uploaded, and the first was left; a stream could not be sent again."""
    one, two = bigs.register("one"), bigs.register("two")
    body = body if body == "much" else body(b"much")
    message = bucket.cls(body=body, s3_url=f"s3://{bucket.name}")
    with server.refusing("SendMessage", two.full_name()), pytest.raises(AccessDenied):
        two.send(message)

    one.send(message)

    assert len(bucket.client.list_objects_v2(Bucket=bucket.name)["Contents"]) == 1
    assert bigs.receive(one) == [("one", b"much")]
    assert "Contents" not in bucket.client.list_objects_v2(Bucket=bucket.name)


def test_once_it_was_sent_with_that_object_the_next_has_another(bucket, bigs, server):
    one, two = bigs.register("one"), bigs.register("two")
    message = bucket.cls(body="much", s3_url=f"s3://{bucket.name}")
    for _ in range(2):
        with server.refusing("SendMessage", two.full_name()), pytest.raises(AccessDenied):
            two.send(message)

    one.send(message)
    one.send(message)

    assert len(bucket.client.list_objects_v2(Bucket=bucket.name)["Contents"]) == 2
    assert bigs.receive(one, one) == [("one", b"much")] * 2


def test_a_refused_message_that_was_made_ready_twice_shares_no_object(bucket, bigs, server):
    """As one that waits for a commit twice: the object of the other goes with what was sent."""
    one, two = bigs.register("one"), bigs.register("two")
    message = bucket.cls(body="much", s3_url=f"s3://{bucket.name}")
    refused, sent = two.prepare(message), one.prepare(message)
    with server.refusing("SendMessage", two.full_name()), pytest.raises(AccessDenied):
        refused()
    sent()

    one.send(message)

    assert bigs.receive(one, one) == [("one", b"much")] * 2


def test_a_message_that_sqs_may_have_is_sent_again_with_another_object(bucket, bigs, server):
    one = bigs.register("one")
    message = bucket.cls(body="much", s3_url=f"s3://{bucket.name}")
    lost = "SendMessage", one.full_name()
    server.answers[lost] = {"MessageId": "m", "MD5OfMessageBody": "of another body"}
    with pytest.raises(RequestFailed, match="not from SQS"):
        one.send(message)
    del server.answers[lost]

    one.send(message)

    assert len(bucket.client.list_objects_v2(Bucket=bucket.name)["Contents"]) == 2


def test_a_received_message_can_be_sent_on(bucket, bigs):
    two = bigs.register("two")
    one = bigs.register("one", lambda message: two.send(message))
    one.send(bucket.cls(body=b"much", s3_url=f"s3://{bucket.name}"))

    assert bigs.receive(one, two) == [("two", b"much")]
    assert "Contents" not in bucket.client.list_objects_v2(Bucket=bucket.name)


def test_to_ask_for_its_text_uploads_it_once(bucket):
    message = bucket.cls(body=b"much", s3_url=f"s3://{bucket.name}")

    assert message.get_body_encoded() == message.get_body_encoded() == message.s3_url
    received = bucket.cls.from_delivery(delivery(message.s3_url))
    assert received.get_body_encoded() == message.s3_url
