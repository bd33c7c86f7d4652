"""What is Lambda's own: its time, its events, and what it is told."""

import asyncio
import threading
import time
from hashlib import md5

import pytest

from django_sqs_kombu import (
    Admission,
    BigMessage,
    ConfigurationError,
    Middleware,
    RawMessage,
    Receivers,
    RestartLater,
    TimedOut,
    lambda_handler,
    stopping,
)
from django_sqs_kombu.aws_lambda.events import read
from django_sqs_kombu.transport import Note
from django_sqs_kombu.transport.sending.delays import delayed
from django_sqs_kombu.transport.sending.trail import Trail
from django_sqs_kombu.transport.sqs.requests import Requests

from ...event_source import ARN, Context, record


@pytest.fixture
def requests(monkeypatch):
    """The names of the requests that are made."""
    made = []
    call, begin = Requests.call, Requests.begin

    def noted(self, operation, *args, **params):
        made.append(operation)
        return call(self, operation, *args, **params)

    def begun(self, operation, *args, **params):
        made.append(operation)
        return begin(self, operation, *args, **params)

    monkeypatch.setattr(Requests, "call", noted)
    monkeypatch.setattr(Requests, "begin", begun)
    return made


def test_ten_messages_that_are_done_cost_no_request(receivers, source, requests, counts, prefix):
    seen = []
    name = receivers.register("orders", lambda m: seen.append(m.get_body())).full_name()
    receivers.send_many("orders", [str(n) for n in range(10)])
    requests.clear()

    assert source.invoke(name) == []

    assert len(seen) == 10
    assert not requests
    assert counts(name) == (0, 0, 0)


def test_only_what_is_not_done_is_reported(receivers, source, counts):
    def restart_odd(message):
        if int(message.get_body()) % 2:
            raise RestartLater(delay=600)

    name = receivers.register("orders", restart_odd).full_name()
    receivers.send_many("orders", [str(n) for n in range(6)])

    assert len(source.invoke(name)) == 3

    assert counts(name) == (0, 3, 0)


def slow_into(seen):
    """A receiver that takes a while; with its timeout of a second some fit into SHORT."""

    def slow(message):
        seen.append((message.get_body(), message.attributes["ApproximateReceiveCount"]))
        time.sleep(0.4)

    return slow


#: Of these seconds 2 are for receivers.
SHORT = 2.5


def test_what_does_not_fit_into_the_time_is_not_started(receivers, source, counts):
    seen = []
    name = receivers.register("orders", slow_into(seen), timeout=1).full_name()
    receivers.send_many("orders", [str(n) for n in range(6)])

    failed = source.invoke(name, seconds=SHORT)

    assert 1 <= len(seen) <= 3
    assert len(failed) == 6 - len(seen)
    # It is visible at once.
    assert counts(name) == (len(failed), 0, 0)


def test_a_receive_that_nothing_was_started_for_does_not_count(receivers, source, counts):
    seen = []
    queue = receivers.register(
        "orders", slow_into(seen), timeout=1, dead_letter_queue="dead", max_receives=3
    )
    receivers.send_many("orders", [str(n) for n in range(5)])
    invocations = 0

    while source.invoke(queue.full_name(), seconds=SHORT, wait=1) is not None:
        invocations += 1

    assert invocations > 1
    assert sorted(seen) == [(str(n), "1") for n in range(5)]
    assert counts(queue.full_name()) == (0, 0, 0)
    assert counts(queue.full_dead_letter_name) == (0, 0, 0)


def test_a_receiver_that_the_time_does_not_last_for_is_tried_again(
    receivers, source, counts, caplog
):
    seen = []

    def endless(message):
        seen.append(1)
        time.sleep(20)

    name = receivers.register("orders", endless).full_name()
    receivers.send("orders", body="x")
    started = time.monotonic()

    assert len(source.invoke(name, seconds=1)) == 1

    assert time.monotonic() - started < 10
    assert sum(counts(name)) == 1
    assert "the function's time ended before the receiver did" in caplog.text
    assert seen == [1]


def test_a_message_that_the_time_never_lasts_for_ends_with_the_dead_letters(
    receivers, new_source, counts, eventually
):
    queue = receivers.register(
        "orders", lambda m: time.sleep(20), dead_letter_queue="dead", max_receives=2
    )
    receivers._options["backoff_base"] = 0
    source = new_source(receivers)
    receivers.send("orders", body="x")

    def buried():
        source.invoke(queue.full_name(), seconds=1.5)
        return counts(queue.full_dead_letter_name) == (1, 0, 0)

    eventually(buried, timeout=40)


def test_a_call_that_outlasts_its_receiver_costs_what_is_done_nothing(receivers, source, counts):
    let_go = threading.Event()

    async def receive(message):
        if message.get_body() == "hangs":
            await asyncio.to_thread(let_go.wait, 8)

    name = receivers.register("orders", receive).full_name()
    receivers.send_many("orders", ["done", "hangs"])
    started = time.monotonic()
    try:
        assert len(source.invoke(name, seconds=1.5)) == 1
    finally:
        let_go.set()

    # Else Lambda would have killed it, and given both messages to others.
    assert time.monotonic() - started < 6
    assert sum(counts(name)) == 1


def test_its_own_timeout_is_the_receivers_fault_as_ever(receivers, source, counts, caplog):
    name = receivers.register("orders", lambda m: time.sleep(20), timeout=0.2).full_name()
    receivers.send("orders", body="x")

    assert source.invoke(name, seconds=5) == []

    assert "took its receiver too long" in caplog.text


def test_a_receiver_is_told_to_stop_before_the_time_ends(receivers, source):
    seen = []

    def work(message):
        seen.append(stopping())
        while not stopping():
            time.sleep(0.01)
        raise RestartLater(delay=0)

    name = receivers.register("orders", work).full_name()
    receivers.send("orders", body="x")

    assert len(source.invoke(name, seconds=1)) == 1

    assert seen == [False]


def test_the_rest_of_a_group_is_reported_unrun(receivers, source):
    seen = []

    def fail_first(message):
        seen.append(message.get_body())
        if message.get_body() == "a1":
            raise RestartLater(delay=60)

    queue = receivers.register("orders.fifo", fail_first)
    for body in ("a1", "a2", "b1", "a3"):
        queue.send(body=body, group_id=body[0], deduplication_id=body)
    [records] = [source.receive(queue.full_name())]
    by_body = {each["messageId"]: each["body"] for each in records}

    failed = source.give(queue.full_name(), records)

    assert seen == ["a1", "b1"]
    assert len(failed) == 3
    assert not any('"b1"' in by_body[each] for each in failed)


def test_a_group_goes_on_after_a_message_that_is_deleted_as_a_failure(receivers, source):
    seen = []

    def fail_first(message):
        seen.append(message.get_body())
        if message.get_body() == "1":
            raise ValueError

    queue = receivers.register("orders.fifo", fail_first)
    for body in ("1", "2"):
        queue.send(body=body, group_id="a", deduplication_id=body)

    assert source.invoke(queue.full_name()) == []

    assert seen == ["1", "2"]


def test_a_batch_that_the_time_does_not_last_for_is_tried_again(receivers, source, caplog):
    name = receivers.register("orders", lambda messages: time.sleep(20), batch=10).full_name()
    receivers.send_many("orders", ["a", "b"])

    assert len(source.invoke(name, seconds=1)) == 2

    assert "the function's time ended before the receiver did" in caplog.text


@pytest.mark.parametrize("timeout", [None, 0.4])
def test_the_search_for_the_culprit_ends_with_the_functions_time(
    receivers, new_source, counts, dead_letters, timeout
):
    runs, done, pause = [], [], [0.4]

    def receive(messages):
        bodies = [message.get_body() for message in messages]
        runs.append(time.monotonic())
        if timeout is not None and "boom" in bodies and pause[0]:
            time.sleep(20)
        time.sleep(pause[0])
        if "boom" in bodies:
            raise ValueError(bodies)
        done.extend(bodies)

    name = receivers.register(
        "orders",
        receive,
        batch=10,
        on_error="bisect",
        timeout=timeout,
        dead_letter_queue="dead",
        dead_letter=(ValueError, TimedOut),
    ).full_name()
    receivers._options["backoff_base"] = 0
    source = new_source(receivers)
    receivers.send_many("orders", ["a", "b", "c", "d", "e", "f", "g", "boom"])
    started = time.monotonic()

    left = source.invoke(name, seconds=1.25)

    # A run on each half would take longer in sum.
    assert max(runs) < started + 1.8
    assert left
    pause[0] = 0
    for _ in range(50):
        if not sum(counts(name)):
            break
        source.invoke(name)
    assert sorted(done) == ["a", "b", "c", "d", "e", "f", "g"]
    assert len(dead_letters()) == 1


def test_what_the_time_did_not_last_for_beside_a_batch_is_not_counted(receivers, source, counts):
    class Alone(Middleware):
        def admit(self, registered, delivery):
            return Admission(alone=True)

    runs = []

    def receive(messages):
        runs.append([message.get_body() for message in messages])
        time.sleep(0.35)

    queue = receivers.register("orders", receive, batch=10, timeout=0.5)
    receivers.middleware.append(Alone())
    receivers.send_many("orders", list("abcdef"))

    source.invoke(queue.full_name(), seconds=1)

    # Where SQS tells too late that there is no redrive policy, they are sent again.
    assert 1 <= len(runs) <= 3
    assert sum(counts(queue.full_name())) == 6 - len(runs)


def test_what_was_sent_again_is_deleted_before_the_end(receivers, source, sqs, counts):
    """A function that breaks off afterwards must not have it twice."""
    queue = receivers.register(
        "orders", lambda m: (_ for _ in ()).throw(RestartLater(delay=60)), dead_letter_queue="dead"
    )
    receivers.send("orders", body="x")
    records = source.receive(queue.full_name())

    source._handler({"Records": records}, Context(30))

    # Nobody has deleted it for the function.
    assert counts(queue.full_name()) == (0, 0, 1)


def test_a_message_that_is_not_due_is_sent_on_unrun(receivers, source, sqs, counts):
    seen = []
    queue = receivers.register("orders", lambda m: seen.append(m.get_body()))
    queue.send(body="first")
    url = sqs.get_queue_url(QueueName=queue.full_name())["QueueUrl"]
    entry = delayed({"MessageBody": "later"}, Trail(), time.time() + 5_000)
    del entry["DelaySeconds"]
    sqs.send_message(QueueUrl=url, **entry)

    assert source.invoke(queue.full_name()) == []

    assert seen == ["first"]
    assert counts(queue.full_name()) == (0, 0, 1)


class Broken:
    def write(self, contents):
        raise ConnectionError("the database is away")

    def rest(self):
        pass


def test_what_cannot_be_written_down_is_not_reported_as_done(receivers, source, counts):
    def noting(message):
        message.note(Note(Broken(), "x"))

    name = receivers.register("orders", noting).full_name()
    receivers.send("orders", body="x")

    assert len(source.invoke(name, seconds=1)) == 1

    assert counts(name) == (0, 1, 0)
    # The next invocation begins anew.
    receivers.send("orders", body="y")
    assert len(source.invoke(name, seconds=1)) == 1


def test_sqs_that_is_away_costs_no_message(fragile, proxy, new_source):
    def restart(message):
        proxy.set("down")
        raise RestartLater(delay=0)

    name = fragile.register("orders", restart).full_name()
    fragile.send("orders", body="x")
    source = new_source(fragile)

    assert len(source.invoke(name, seconds=2)) == 1
    proxy.heal()

    fragile.register("others", lambda m: None)
    fragile.send("others", body="x")
    assert source.invoke(fragile.get("others").full_name()) == []


@pytest.mark.parametrize("mode", ["hung", "stalled"])
def test_sqs_that_does_not_answer_holds_up_no_end(fragile, proxy, new_source, mode):
    name = fragile.register("orders", lambda m: (_ for _ in ()).throw(RestartLater(0))).full_name()
    fragile.send_many("orders", ["a", "b"])
    source = new_source(fragile)
    records = source.receive(name)
    fragile.channel().requests.facts(name)
    proxy.set(mode, "ChangeMessageVisibilityBatch", late=20)
    started = time.monotonic()

    assert len(source.give(name, records, seconds=1.5)) == 2

    assert time.monotonic() - started < 4


def test_a_connection_that_ended_between_invocations_costs_nothing(fragile, proxy, new_source):
    seen = []

    def restart(message):
        seen.append(1)
        raise RestartLater(delay=0)

    name = fragile.register("orders", restart).full_name()
    fragile.send("orders", body="x")
    source = new_source(fragile)
    source.invoke(name)
    # Whoever was connected is not any more.
    proxy.set("down")
    proxy.heal()

    assert len(source.invoke(name, wait=5)) == 1
    assert len(source.invoke(name, wait=5)) == 1

    assert len(seen) == 3


def test_a_notice_that_stands_for_several_is_deleted_when_they_are_sent(receivers, source, counts):
    class Notice(RawMessage):
        def parts(self):
            body = self.get_body()
            return body.split() if " " in body else None

    seen = []
    name = receivers.register(
        "orders", lambda m: seen.append(m.get_body()), message_class=Notice
    ).full_name()
    receivers.send("orders", body="a b")

    # Nobody deletes for the function.
    source._handler({"Records": source.receive(name)}, Context(30))
    assert counts(name) == (2, 0, 0)
    while source.invoke(name) is not None:
        pass

    assert sorted(seen) == ["a", "b"]


def test_a_message_whose_object_is_deleted_with_it_goes_first(
    receivers, source, counts, s3, prefix, keys, server
):
    class Video(BigMessage):
        buckets = (f"{prefix}/videos/",)
        s3_options = {  # noqa: RUF012
            "endpoint_url": server.url,
            "region_name": "us-east-1",
            "aws_access_key_id": "testing",
            "aws_secret_access_key": "testing-secret",
        }

    seen = []
    name = receivers.register(
        "orders", lambda m: seen.append(m.get_body()), message_class=Video
    ).full_name()
    receivers.get("orders").send(Video(body="x", s3_url=f"s3://{prefix}"))

    # Nobody deletes for the function.
    source._handler({"Records": source.receive(name)}, Context(30))

    assert seen == [b"x"]
    assert counts(name) == (0, 0, 0)
    assert not keys()


def test_a_record_that_is_damaged_is_left(receivers, source, caplog):
    seen = []
    name = receivers.register("orders", lambda m: seen.append(m.get_body())).full_name()
    receivers.send_many("orders", ["a", "b", "c"])
    records = source.receive(name)
    damaged, unreadable, _ = records
    damaged["body"] += " "
    unreadable["messageAttributes"] = {"x": {"dataType": "Binary", "binaryValue": "%"}}

    failed = source.give(name, records)

    assert failed == [damaged["messageId"], unreadable["messageId"]]
    assert len(seen) == 1
    assert "MD5" in caplog.text
    assert "its record cannot be read" in caplog.text


def test_the_test_event_of_the_console_is_run(receivers, source):
    seen = []
    name = receivers.register("orders", lambda m: seen.append(m.get_body())).full_name()
    attributes = {
        "ApproximateReceiveCount": "1",
        "SentTimestamp": "1523232000000",
        "SenderId": "123456789012",
        "ApproximateFirstReceiveTimestamp": "1523232000001",
    }
    message = {"MessageId": "19dd0b57", "ReceiptHandle": "MessageReceiptHandle", "Body": "Hello!"}
    event = record(name, {**message, "Attributes": attributes, "MD5OfBody": "{{{md5_of_body}}}"})

    assert source._handler({"Records": [event]}, Context(30)) == {"batchItemFailures": []}
    assert seen == ["Hello!"]


def a_record(**changes):
    message = {"MessageId": "1", "ReceiptHandle": "r", "Body": "x", "MD5OfBody": "m"}
    return {**record("orders", message), **changes}


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ({}, "no list of Records"),
        ([], "no list of Records"),
        (None, "no list of Records"),
        ({"Records": [{"eventSource": "aws:s3"}]}, "no messageId"),
        ({"Records": [a_record(eventSource="aws:kinesis")]}, "not from 'aws:sqs'"),
        ({"Records": [a_record(eventSourceARN="orders")]}, "is not the ARN of an SQS queue"),
        ({"Records": [a_record()]}, "No receiver is registered for queue 'orders'"),
    ],
)
def test_what_is_no_event_of_a_registered_queue_is_refused(receivers, event, says):
    handler = lambda_handler(receivers)

    with pytest.raises(ConfigurationError, match=says):
        handler(event, Context(3))

    handler.close()


def test_a_queue_for_sending_only_is_refused(receivers):
    name = receivers.register("orders").full_name()
    handler = lambda_handler(receivers)

    with pytest.raises(ConfigurationError, match="for sending only"):
        handler({"Records": [a_record(eventSourceARN=ARN.format(name))]}, Context(3))

    handler.close()


def test_no_records_are_nothing_to_do(receivers):
    assert lambda_handler(receivers)({"Records": []}) == {"batchItemFailures": []}


def test_the_reserve_must_be_a_time(receivers):
    with pytest.raises(ConfigurationError, match="reserve"):
        lambda_handler(receivers, reserve=-1)


def test_an_option_that_there_is_not_is_named_with_the_one_that_is_meant(receivers):
    with pytest.raises(ConfigurationError, match=r"lambda_handler\(\) has no option 'nope'"):
        lambda_handler(receivers, nope=1)
    with pytest.raises(ConfigurationError, match=r"lambda_handler\(\).*'repot'.*'report'"):
        lambda_handler(receivers, repot=False)


@pytest.mark.parametrize(
    ("partition", "url"),
    [
        ("aws", "https://sqs.x-1.amazonaws.com/123456789012/orders"),
        ("aws-cn", "https://sqs.x-1.amazonaws.com.cn/123456789012/orders"),
        ("aws-iso", None),
    ],
)
def test_an_arn_says_where_its_queue_is(partition, url):
    arn = f"arn:{partition}:sqs:x-1:123456789012:orders"
    [batch] = read({"Records": [a_record(eventSourceARN=arn)]})

    assert batch.arn.url == url


def test_a_queue_of_another_account_is_asked_there(prefix):
    receivers = Receivers("sqs-batch://a:b@", prefix=prefix, transport_options={"region": "x-1"})
    name = receivers.register("orders", lambda m: None, message_class=RawMessage).full_name()
    handler = lambda_handler(receivers)
    arn = f"arn:aws:sqs:x-1:999999999999:{name}"
    event = {"Records": [a_record(eventSourceARN=arn, md5OfBody=md5(b"x").hexdigest())]}

    # Nothing is asked.
    assert handler(event, Context(30)) == {"batchItemFailures": []}

    url = handler._connection.default_channel.account.url(name)
    assert url == f"https://sqs.x-1.amazonaws.com/999999999999/{name}"
    handler.close()


def test_suffixes_are_queues_of_their_own(receivers, source):
    seen = []
    queue = receivers.register("orders", lambda m: seen.append(m.get_body()), suffixes=["eu"])
    queue.send(body="x", suffix="eu")

    assert source.invoke(queue.full_name("eu")) == []
    assert seen == ["x"]


def test_middleware_is_told_at_the_end_and_harms_nothing(receivers, source):
    told = []

    class Tell(Middleware):
        def settled(self, settlement):
            told.append("settled")

        def resting(self, seconds):
            told.append(seconds)
            raise ValueError

    receivers.middleware.append(Tell())
    name = receivers.register("orders", lambda m: None).full_name()
    receivers.send("orders", body="x")

    assert source.invoke(name, seconds=30) == []

    first, seconds = told
    assert first == "settled"
    assert 0 < seconds < 30
