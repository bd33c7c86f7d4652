"""The stub that always has messages, as boto3 and this library see it."""

import hashlib
import socket
import threading
import time

import boto3
import pytest

from benchmarks.servers import stub as run_stub
from django_sqs_kombu import ReceiverConsumer, Receivers


@pytest.fixture
def stub():
    with run_stub() as stub:
        yield stub


@pytest.fixture
def sqs(stub):
    client = boto3.client(
        "sqs",
        endpoint_url=stub.url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing-secret",
    )
    yield client
    client.close()


@pytest.fixture
def queue(sqs, prefix):
    """Makes a queue; returns its URL."""

    def queue(name="full", **attributes):
        return sqs.create_queue(QueueName=f"{prefix}-{name}", Attributes=attributes)["QueueUrl"]

    return queue


def receive(sqs, url, count=10, **more):
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=count, **more)
    return answer.get("Messages", [])


def delete(sqs, url, messages):
    entries = [
        {"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(messages)
    ]
    return sqs.delete_message_batch(QueueUrl=url, Entries=entries)


def name_of(url):
    return url.rpartition("/")[2]


def test_every_message_is_a_new_one_and_has_the_body_that_was_sent_last(stub, sqs, queue):
    url = queue()
    sent = sqs.send_message(QueueUrl=url, MessageBody="größer, 100 %")

    messages = [message for _ in range(20) for message in receive(sqs, url)]

    assert len(messages) == 200
    assert len({each["MessageId"] for each in messages}) == 200
    assert len({each["ReceiptHandle"] for each in messages}) == 200
    assert {each["Body"] for each in messages} == {"größer, 100 %"}
    md5 = hashlib.md5("größer, 100 %".encode()).hexdigest()
    assert {each["MD5OfBody"] for each in messages} == {md5} == {sent["MD5OfMessageBody"]}
    # No attributes that nobody asked for.
    assert not any("Attributes" in each for each in messages)


def test_attributes_are_those_that_were_asked_for(stub, sqs, queue):
    url = queue()
    attributes = {
        "kind": {"DataType": "String", "StringValue": "a"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\0\xff"},
    }
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageAttributes=attributes)

    [message] = receive(
        sqs,
        url,
        1,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
    )
    [part] = receive(sqs, url, 1, MessageAttributeNames=["k.*", "kind"])

    assert message["MessageAttributes"] == attributes
    assert set(message["Attributes"]) == {"SentTimestamp", "ApproximateReceiveCount"}
    assert abs(int(message["Attributes"]["SentTimestamp"]) / 1000 - time.time()) < 60
    assert set(part["MessageAttributes"]) == {"kind"}


def test_deletions_are_counted_once_and_again(stub, sqs, queue):
    url = queue()
    messages = receive(sqs, url, 10)
    delete(sqs, url, messages)
    answer = delete(sqs, url, messages[:3])
    sqs.delete_message(QueueUrl=url, ReceiptHandle=receive(sqs, url, 1)[0]["ReceiptHandle"])

    stats = stub.stats()
    assert len(answer["Successful"]) == 3
    assert (stats["handed_out"], stats["deleted"], stats["deleted_again"]) == (11, 11, 3)
    assert (stats["in_flight"], stats["most_in_flight"]) == (0, 10)
    assert stats["requests"]["DeleteMessageBatch"] == 2
    assert stats["requests"]["ReceiveMessage"] == 2


def test_a_receipt_that_was_never_handed_out_is_refused(stub, sqs, queue):
    url = queue()
    with pytest.raises(sqs.exceptions.ReceiptHandleIsInvalid):
        sqs.delete_message(QueueUrl=url, ReceiptHandle="none")

    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName="nothing-of-this-name")


def test_no_two_queues_hand_out_the_same_receipt_or_message_id(stub, sqs):
    names = stub.create("many-", 30)
    assert names[29] == "many-29"
    urls = [sqs.get_queue_url(QueueName=name)["QueueUrl"] for name in names]
    messages = [message for url in urls for message in receive(sqs, url, 2)]

    assert len({each["ReceiptHandle"] for each in messages}) == 60
    assert len({each["MessageId"] for each in messages}) == 60
    with pytest.raises(sqs.exceptions.ReceiptHandleIsInvalid):
        sqs.delete_message(QueueUrl=urls[0], ReceiptHandle=messages[-1]["ReceiptHandle"])


def test_what_is_given_back_is_not_in_flight_and_what_is_renewed_stays(stub, sqs, queue):
    url = queue()
    first, second = receive(sqs, url, 2)
    for message, seconds in ((first, 0), (second, 60)):
        sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=seconds
        )
    answer = sqs.change_message_visibility_batch(
        QueueUrl=url,
        Entries=[{"Id": "a", "ReceiptHandle": first["ReceiptHandle"], "VisibilityTimeout": 0}],
    )

    stats = stub.stats()
    assert (stats["given_back"], stats["renewed"], stats["in_flight"]) == (1, 1, 1)
    assert answer["Failed"][0]["Code"] == "MessageNotInflight"
    delete(sqs, url, [second])


def test_an_idle_queue_waits_as_long_as_it_is_asked_to_or_until_it_has_something(stub, sqs, queue):
    url = queue("idle")
    began = time.monotonic()
    assert receive(sqs, url, WaitTimeSeconds=1) == []
    assert 0.9 < time.monotonic() - began < 10

    timer = threading.Timer(0.3, stub.queue, [name_of(url)], {"left": 4})
    timer.start()
    messages = receive(sqs, url, WaitTimeSeconds=20)
    timer.join()

    assert len(messages) == 4
    assert stub.queue(name_of(url)) == {"left": 0, "in_flight": 4, "polls_waiting": 0}
    delete(sqs, url, messages)


def test_a_poll_whose_client_is_gone_takes_nothing(stub, sqs, queue):
    url = queue("idle")
    body = f'{{"QueueUrl":"{url}","WaitTimeSeconds":20}}'
    head = (
        f"POST / HTTP/1.1\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\ncontent-length: {len(body)}"
    )
    port = int(stub.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        # In pieces, as a network may deliver them.
        for part in (head, "\r\n\r\n", body[:5], body[5:]):
            connection.sendall(part.encode())
            time.sleep(0.02)
        wait_for(lambda: stub.queue(name_of(url))["polls_waiting"] == 1)
        assert stub.stats()["polls"] == 1

    wait_for(lambda: stub.stats()["polls"] == 0)
    assert stub.queue(name_of(url), left=1) == {"left": 1, "in_flight": 0, "polls_waiting": 0}


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_group_with_a_message_in_flight_gives_no_more_and_what_is_given_back_comes_first(
    stub, sqs, queue
):
    url = queue("a.fifo", FifoQueue="true")
    stub.queue(name_of(url), groups=3)
    names = {"MessageSystemAttributeNames": ["All"]}

    messages = receive(sqs, url, **names)
    assert [each["Attributes"]["MessageGroupId"] for each in messages] == [
        "group-00000",
        "group-00001",
        "group-00002",
    ]
    assert receive(sqs, url) == []

    sqs.change_message_visibility(
        QueueUrl=url, ReceiptHandle=messages[1]["ReceiptHandle"], VisibilityTimeout=0
    )
    delete(sqs, url, messages[2:])
    again, later = receive(sqs, url, **names)
    assert again["Attributes"]["MessageGroupId"] == "group-00001"
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    assert again["Attributes"]["SequenceNumber"] == messages[1]["Attributes"]["SequenceNumber"]
    assert later["Attributes"]["MessageGroupId"] == "group-00002"
    assert int(later["Attributes"]["SequenceNumber"]) == 2
    delete(sqs, url, [messages[0], again, later])


def test_an_answer_may_have_several_messages_of_a_group_in_order(stub, sqs, queue):
    url = queue("b.fifo", FifoQueue="true")
    stub.queue(name_of(url), groups=2, burst=4)

    messages = receive(sqs, url, MessageSystemAttributeNames=["All"])

    found = [
        (each["Attributes"]["MessageGroupId"][-1], int(each["Attributes"]["SequenceNumber"]))
        for each in messages
    ]
    assert found == [(group, number) for group in "01" for number in (1, 2, 3, 4)]
    delete(sqs, url, messages)


def test_latency_is_added_to_each_request_and_set_at_run_time(stub, sqs, queue):
    url = queue()
    receive(sqs, url, 1)
    stub.set_latency(0.2)
    began = time.monotonic()
    receive(sqs, url, 1)
    assert time.monotonic() - began > 0.19

    assert stub.stats()["latency"] == 0.2


def test_it_tells_when_all_queues_are_polled(stub, sqs, queue):
    before = time.monotonic()
    for name in ("one", "two"):
        receive(sqs, queue(name), 1)

    stats = stub.stats()
    assert stats["queues_polled"] == 2
    assert before < stats["last_first_poll"] <= stats["now"] < before + 60


@pytest.mark.parametrize("name", ["ours", "ours.fifo"])
def test_this_library_sends_receives_and_deletes_each_message_once(stub, prefix, name):
    receivers = Receivers(
        "sqs-batch://testing:testing-secret@",
        prefix=prefix,
        poll_period=1,
        transport_options={"endpoint_url": stub.url, "region": "us-east-1"},
    )
    handled = []
    receivers.register(name, lambda message: handled.append(message))
    group = {"group_id": "g"} if name.endswith(".fifo") else {}
    receivers.send(name, body="text", **group)
    ReceiverConsumer(receivers, threads=2, message_limit=50).run()
    receivers.close()

    stats = stub.stats()
    assert len(handled) == 50
    assert (stats["deleted"], stats["deleted_again"], stats["in_flight"]) == (50, 0, 0)
    assert stats["handed_out"] == stats["deleted"] + stats["given_back"]
