"""The table of outcomes, run against a server, on one thread and on several."""

import json
import logging
import threading
import time
from datetime import timedelta

import pytest

from django_sqs_kombu import (
    ConfigurationError,
    JSONMessage,
    MHMessage,
    ReceiverConsumer,
    Receivers,
    RestartLater,
)
from django_sqs_kombu.transport.holding.leases import Leases
from django_sqs_kombu.transport.sending.trail import Trail
from django_sqs_kombu.working.restarting import restart_delay
from django_sqs_kombu.working.table import Action, row_for


@pytest.fixture(params=[1, 4], ids=["one thread", "four threads"])
def threads(request):
    return request.param


@pytest.fixture(params=["kombu", "raw"])
def wire_format(request):
    return request.param


@pytest.fixture
def consume(receivers, threads):
    """Run a consumer until it has received *count* messages of each queue."""

    def consume(count, **options):
        consumer = ReceiverConsumer(receivers, threads=threads, message_limit=count, **options)
        guard = threading.Timer(20, consumer.stop)
        guard.start()
        consumer.run()
        assert guard.is_alive(), "the messages did not come"
        guard.cancel()

    return consume


def send_body(sqs, name, body, **attributes):
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=body, **attributes)


def test_a_message_whose_receiver_returns_is_deleted(receivers, consume, counts, caplog):
    caplog.set_level(logging.DEBUG, "django_sqs_kombu")
    seen = []
    receivers.register("orders", lambda message: seen.append(message.get_body()))
    receivers.send("orders", body="x")

    consume(1)

    assert seen == ["x"]
    assert counts(receivers.get("orders").full_name()) == (0, 0, 0)
    [record] = [r for r in caplog.records if "was received" in r.message]
    assert record.levelno == logging.DEBUG
    assert record.queue == receivers.get("orders").full_name()
    assert record.receive_count == 1
    assert record.message_id in record.message


def test_restart_later_leaves_the_message_for_its_delay(receivers, consume, counts, caplog):
    caplog.set_level(logging.INFO, "django_sqs_kombu")
    times = []

    def restart_once(message):
        times.append(time.monotonic())
        if len(times) == 1:
            raise RestartLater(delay=2)

    receivers.register("orders", restart_once)
    receivers.send("orders", body="x")

    consume(2)

    assert 1.5 < times[1] - times[0] < 6
    assert counts(receivers.get("orders").full_name()) == (0, 0, 0)
    [record] = [r for r in caplog.records if "restarted later" in r.message]
    assert record.levelno == logging.INFO
    assert record.exc_info is None


@pytest.mark.slow
def test_restart_later_without_a_delay_backs_off(receivers, consume):
    times = []

    def restart_twice(message):
        times.append(time.monotonic())
        if len(times) < 3:
            raise RestartLater

    receivers.register("orders", restart_twice)
    receivers.send("orders", body="x")

    consume(3)

    assert times[1] - times[0] > 0.8
    assert times[2] - times[1] > 1.8


@pytest.mark.parametrize("failure", [ValueError("its fault"), SystemExit("its fault")])
def test_a_failing_receivers_message_is_deleted_and_logged(
    receivers, consume, counts, caplog, failure
):
    def fail(message):
        raise failure

    receivers.register("orders", fail)
    receivers.send("orders", body="secret\n" + "x" * 2_000)

    consume(1)

    assert counts(receivers.get("orders").full_name()) == (0, 0, 0)
    [record] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert record.exc_info[1] is failure
    assert receivers.get("orders").full_name() in record.message
    assert "(receive 1)" in record.message
    assert r"secret\n" in record.message
    assert "1007 more characters" in record.message
    assert len(record.message) < 1_400


def test_a_failing_receivers_message_is_left_to_a_redrive_policy(receivers, consume, counts, sqs):
    dead = sqs.create_queue(QueueName=receivers.prefix + "-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    policy = json.dumps({"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": "3"})
    receivers.register("orders", lambda message: 1 / 0)
    name = receivers.get("orders").full_name()
    sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": policy})
    receivers.send("orders", body="x")

    consume(1)

    assert counts(name) == (0, 1, 0)


def test_a_receiver_beyond_its_timeout(receivers, consume, counts, caplog):
    ended = []

    def loop(message):
        for _ in range(1_000):
            time.sleep(0.01)
        ended.append(True)

    receivers.register("orders", loop, timeout=0.5)
    receivers.send("orders", body="x")

    consume(1)

    assert not ended
    assert counts(receivers.get("orders").full_name()) == (0, 0, 0)
    assert "took its receiver too long" in caplog.text
    assert "timed out after 0.5 s" in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        "not base64",
        "bnVsbA",
        json.dumps(
            {
                "body": "x",
                "content-type": "application/x-python-serialize",
                "content-encoding": "binary",
                "headers": {},
                "properties": {},
            }
        ),
        json.dumps(
            {
                "body": "{",
                "content-type": "application/json",
                "content-encoding": "utf-8",
                "headers": {},
                "properties": {},
            }
        ),
        json.dumps(
            {
                "body": "x",
                "content-type": "text/plain",
                "content-encoding": "utf-8",
                "headers": {"compression": "application/x-gzip"},
                "properties": {},
            }
        ),
    ],
)
def test_a_body_that_cannot_be_decoded_is_settled_and_the_worker_goes_on(
    receivers, consume, counts, sqs, caplog, body
):
    seen = []
    receivers.register("orders", seen.append, message_class=JSONMessage)
    name = receivers.get("orders").full_name()
    send_body(sqs, name, body)
    receivers.send("orders", body={"a": 1})

    consume(2)

    assert [message.get_body() for message in seen] == [{"a": 1}]
    assert counts(name) == (0, 0, 0)
    assert "cannot be decoded" in caplog.text


def test_delete_on_start_deletes_before_the_receiver_runs(receivers, consume, counts):
    during = []
    receivers.register(
        "orders",
        lambda message: during.append(counts(receivers.get("orders").full_name())),
        delete_on_start=True,
    )
    receivers.send("orders", body="x")

    consume(1)

    assert during == [(0, 0, 0)]


def test_restart_with_delete_on_start_sends_the_message_anew(receivers, consume, counts):
    seen = []

    def restart_twice(message):
        seen.append((message.get_body(), Trail.of(message.message_attributes)))
        if len(seen) < 3:
            raise RestartLater(delay=0)

    receivers.register("orders", restart_twice, delete_on_start=True)
    receivers.send("orders", body="x")

    consume(3)

    assert [body for body, _ in seen] == ["x", "x", "x"]
    assert [trail.restarts for _, trail in seen] == [0, 1, 2]
    # It is known as the one that was first sent.
    assert seen[1][1].id == seen[2][1].id is not None
    assert counts(receivers.get("orders").full_name()) == (0, 0, 0)


def test_a_receiver_may_delete_its_message_itself(receivers, consume, counts, caplog):
    receivers.register("orders", lambda message: message.delete())
    receivers.send("orders", body="x")

    consume(1)

    assert counts(receivers.get("orders").full_name()) == (0, 0, 0)
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


def test_message_limit_is_exact_and_for_each_queue(receivers, consume, counts):
    seen = []
    for name in ("first", "second"):
        receivers.register(name, seen.append)
        for number in range(7):
            receivers.send(name, body=str(number))

    consume(5)

    assert len(seen) == 10
    assert counts(receivers.get("first").full_name()) == (2, 0, 0)
    assert counts(receivers.get("second").full_name()) == (2, 0, 0)


def test_messages_that_cannot_be_settled_are_logged_and_the_worker_goes_on(
    receivers, consume, server, caplog
):
    seen = []
    receivers.register("orders", seen.append)
    name = receivers.get("orders").full_name()
    server.faults["DeleteMessageBatch", name] = (400, "UnsupportedOperation")
    receivers.send("orders", body="x")
    receivers.send("orders", body="y")

    consume(2)

    del server.faults["DeleteMessageBatch", name]
    assert "could not be settled, SQS may redeliver it: DeleteMessageBatch" in caplog.text
    for message in seen:
        assert message.id in caplog.text
    assert "Traceback" not in caplog.text


def test_a_poll_that_is_denied_is_logged_in_one_line_and_tried_again(
    receivers, server, caplog, eventually
):
    seen = []
    receivers.register("orders", seen.append)
    receivers.send("orders", body="x")
    name = receivers.get("orders").full_name()
    server.faults["ReceiveMessage", name] = (403, "AccessDenied")
    consumer = ReceiverConsumer(receivers)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    eventually(lambda: "allow sqs:ReceiveMessage on queue" in caplog.text)
    del server.faults["ReceiveMessage", name]

    eventually(lambda: seen)

    consumer.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert "Traceback" not in caplog.text


def test_threads_run_at_once_and_one_thread_is_the_callers(receivers, consume, threads):
    names, together = set(), []
    barrier = threading.Barrier(threads)

    def meet(message):
        names.add(threading.current_thread().name)
        together.append(barrier.wait(10))

    receivers.register("orders", meet)
    for number in range(4):
        receivers.send("orders", body=str(number))

    consume(4)

    assert len(together) == 4
    if threads == 1:
        assert names == {threading.current_thread().name}
    else:
        assert all(name.startswith("sqs-receiver") for name in names)


def test_stop_lets_running_receivers_finish_and_gives_the_rest_back(
    receivers, threads, counts, eventually, server
):
    started, go_on, finished = [], threading.Event(), []

    def wait(message):
        started.append(message)
        go_on.wait(20)
        finished.append(message)

    # The queues share the threads: what waits for them was received and not started.
    names = []
    for queue_name in ("orders", "others"):
        receivers.register(queue_name, wait)
        for number in range(threads):
            receivers.send(queue_name, body=str(number))
        names.append(receivers.get(queue_name).full_name())
    consumer = ReceiverConsumer(receivers, threads=threads)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    eventually(lambda: len(started) == threads)

    consumer.stop()
    eventually(lambda: sum(counts(name)[0] for name in names) == threads)
    assert not finished
    go_on.set()
    thread.join(20)

    assert not thread.is_alive()
    assert len(finished) == len(started) == threads
    assert sum(counts(name)[0] for name in names) == threads
    assert sum(counts(name)[1] for name in names) == 0


def test_a_stop_can_break_off_a_long_poll(prefix, transport_options, server, eventually):
    receivers = Receivers(
        "sqs-batch://t:t@", prefix=prefix, poll_period=20, transport_options=transport_options
    )
    queue = receivers.register("orders", print)
    consumer = ReceiverConsumer(receivers)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    eventually(lambda: server.count("ReceiveMessage", queue.full_name()))

    stopped_at = time.monotonic()
    consumer.stop(break_off=True)
    thread.join(20)

    assert not thread.is_alive()
    assert time.monotonic() - stopped_at < 10
    receivers.close()


def test_receivers_that_outlast_the_grace_period_are_reported(receivers, eventually, caplog):
    started, go_on = [], threading.Event()

    def wait(message):
        started.append(message)
        go_on.wait(10)

    receivers.register("orders", wait)
    receivers.send("orders", body="x")
    consumer = ReceiverConsumer(receivers, grace_period=0.2)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    eventually(lambda: started)

    consumer.stop()

    eventually(lambda: "is still running 0.2 s after the stop" in caplog.text)
    go_on.set()
    thread.join(5)
    assert not thread.is_alive()


@pytest.mark.slow
def test_a_message_that_waits_too_long_is_given_back_and_run_once(receivers, caplog):
    caplog.set_level(logging.INFO, "django_sqs_kombu")
    runs = []

    def receive(message):
        runs.append(message.id)
        time.sleep(1.5)

    # The queues share one thread: what waits for it outlives its visibility timeout.
    for name in ("first", "second", "third"):
        receivers.register(name, receive, visibility_timeout=2)
        receivers.send(name, body="x")
    consumer = ReceiverConsumer(receivers, threads=1, message_limit=1)
    guard = threading.Timer(20, consumer.stop)
    guard.start()
    consumer.run()

    assert guard.is_alive()
    guard.cancel()
    assert "Giving back 1 message(s)" in caplog.text
    assert len(runs) == len(set(runs)) == 3


@pytest.mark.slow
def test_a_message_whose_lease_has_expired_is_not_run(receivers, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "django_sqs_kombu")
    monkeypatch.setattr(Leases, "due", lambda self, now: ([], []))
    runs = []

    def receive(message):
        runs.append(message.id)
        time.sleep(2.5)

    # The queues share one thread: while one message runs, the other waits.
    for name in ("first", "second"):
        receivers.register(name, receive, visibility_timeout=2)
        receivers.send(name, body="x")
    consumer = ReceiverConsumer(receivers, message_limit=1)
    guard = threading.Timer(20, consumer.stop)
    guard.start()
    consumer.run()

    assert guard.is_alive()
    guard.cancel()
    assert "waited longer than its visibility timeout" in caplog.text


@pytest.mark.parametrize(
    ("options", "says"),
    [({"threads": 0}, "threads"), ({"message_limit": 0}, "message_limit")],
)
def test_options_that_cannot_work(receivers, options, says):
    receivers.register("orders", print)

    with pytest.raises(ConfigurationError, match=says):
        ReceiverConsumer(receivers, **options)


def test_nothing_to_receive_from(receivers):
    receivers.register("outgoing")

    with pytest.raises(ConfigurationError, match="register a receiver"):
        ReceiverConsumer(receivers)


@pytest.mark.parametrize(
    ("raised", "action"),
    [
        (None, Action.DELETE),
        (RestartLater(), Action.REQUEUE),
        (KeyboardInterrupt(), Action.RELEASE),
        (ValueError(), Action.REJECT),
        (SystemExit(), Action.REJECT),
    ],
)
def test_rows_of_the_table(raised, action):
    assert row_for(raised).action is action


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [
        (None, None),
        (0, 0),
        (1.5, 1.5),
        (timedelta(minutes=2), 120),
        (-5, 0),
        (100_000, 43_200),
        ("soon", None),
        (float("nan"), None),
    ],
)
def test_wrong_delays_never_cost_a_message(delay, seconds):
    assert restart_delay(delay) == seconds


def test_mapping_messages_travel_both_ways(receivers, consume):
    seen = []
    receivers.register("headers", seen.append, message_class=MHMessage)
    receivers.send("headers", body={"Name": "value"})

    consume(1)

    assert seen[0]["Name"] == "value"


def test_kombus_own_way_of_consuming_a_few_messages_works(receivers):
    seen = []
    receivers.register("orders", lambda message: seen.append(message.get_body()))
    receivers.send_many("orders", ["a", "b", "c"])
    consumer = ReceiverConsumer(receivers)

    # An interval in which nothing comes counts, as it does in Kombu.
    for _ in consumer.consume(limit=2, timeout=20, safety_interval=20):
        assert len(seen) in (1, 2)
    assert len(seen) == 2


def test_kombus_own_way_of_consuming_gives_up_when_no_message_comes(receivers):
    receivers.register("orders", lambda message: None)

    with pytest.raises(TimeoutError):
        list(ReceiverConsumer(receivers).consume(timeout=0.2, safety_interval=0.1))
