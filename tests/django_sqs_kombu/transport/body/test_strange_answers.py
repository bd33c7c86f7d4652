"""Something else answers in S3's place: no page is taken for a body, and nothing for written."""

import io

import pytest

from django_sqs_kombu import BigMessage, MessageDecodeError, MessageEncodeError, ReceiverConsumer

LARGE = "x" * (1024 * 1024 + 1)
STRANGE = ["HTML", "empty object", "no content", "empty", "not found"]


@pytest.fixture
def big(proxy, s3):
    class LocalBigMessage(BigMessage):
        s3_options = {  # noqa: RUF012
            "endpoint_url": proxy.url,
            "region_name": "us-east-1",
            "aws_access_key_id": "testing",
            "aws_secret_access_key": "testing-secret",
        }

    return LocalBigMessage


@pytest.mark.parametrize("mode", [*STRANGE, "chunked and cut", "without length"])
@pytest.mark.parametrize("is_big", [False, True])
def test_what_is_not_from_s3_is_no_body_and_costs_no_message(
    is_big, mode, fragile, proxy, big, s3, prefix, counts, caplog
):
    seen, options = [], {"message_class": big} if is_big else {}
    queue = fragile.register("orders", lambda message: seen.append(message.get_body()), **options)
    sent = {"body": b"much", "s3_url": f"s3://{prefix}"} if is_big else {"body": LARGE}
    queue.send(**sent)
    proxy.set(mode, "S3 GET")

    ReceiverConsumer(fragile, message_limit=1).run()

    assert seen == []
    assert "is tried again later" in caplog.text
    assert sum(counts(queue.full_name())) == 1
    proxy.heal()
    ReceiverConsumer(fragile, message_limit=1).run()
    assert seen == [sent["body"]]


def test_a_payload_that_a_proxy_sends_in_chunks_is_read(fragile, proxy, s3):
    seen = []
    queue = fragile.register("orders", lambda message: seen.append(message.get_body()))
    queue.send(body=LARGE)
    proxy.set("chunked", "S3 GET")

    ReceiverConsumer(fragile, message_limit=1).run()

    assert seen == [LARGE]


def test_one_in_chunks_is_not_read_where_it_is_too_large(proxy, big, s3, prefix):
    big.max_bytes = 3
    s3.put_object(Bucket=prefix, Key="large", Body=b"much")
    proxy.set("chunked", "S3 GET")

    with pytest.raises(MessageDecodeError, match="more than the 3 bytes that are read"):
        big().decode(f"s3://{prefix}/large")


@pytest.mark.parametrize("mode", STRANGE)
def test_a_payload_that_something_else_took_is_not_sent(mode, fragile, proxy, s3, counts, keys):
    queue = fragile.register("orders")
    queue.send(body="small")
    proxy.set(mode, "S3 PUT")

    with pytest.raises(MessageEncodeError, match="cannot be written"):
        queue.send(body=LARGE)

    assert keys() == []
    assert sum(counts(queue.full_name())) == 1


@pytest.mark.parametrize("mode", STRANGE)
@pytest.mark.parametrize("size", [4, 9 * 1024 * 1024])
def test_nor_is_a_big_message(size, mode, fragile, proxy, big, s3, prefix, keys):
    queue = fragile.register("orders", message_class=big)
    proxy.set(mode, "S3 PUT")

    with pytest.raises(MessageEncodeError, match="cannot write"):
        queue.send(big(body=io.BytesIO(b"x" * size), s3_url=f"s3://{prefix}"))

    assert keys() == []
