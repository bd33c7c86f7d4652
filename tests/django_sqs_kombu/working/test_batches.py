"""Batch receivers, against a server: what they get, and what becomes of each message."""

import json
import logging
import threading
import time

import pytest

from django_sqs_kombu import (
    Breaker,
    ConfigurationError,
    Continue,
    JSONMessage,
    Middleware,
    ReceiverConsumer,
    RestartLater,
    Retry,
    TimedOut,
)
from django_sqs_kombu.testing import eager, received_message
from django_sqs_kombu.working import ADMITTED, Admission, current_message

BOTH = pytest.mark.parametrize("threads", [1, 3])


@pytest.fixture
def threads():
    return 1


@pytest.fixture
def consume(receivers, threads):
    """Run a consumer until it has received *count* messages of each queue."""

    def consume(count, **options):
        consumer = ReceiverConsumer(
            receivers, message_limit=count, **{"threads": threads, **options}
        )
        guard = threading.Timer(20, consumer.stop)
        guard.start()
        consumer.run()
        assert guard.is_alive(), "the messages did not come"
        guard.cancel()

    return consume


@pytest.fixture
def numbers(receivers):
    """Send numbers to a queue."""

    def numbers(queue, count, **options):
        receivers.send_many(queue, [{"n": n} for n in range(count)], **options)

    return numbers


def values(messages):
    return [message["n"] for message in messages]


@BOTH
def test_a_receiver_gets_lists_until_all_is_done(receivers, numbers, consume, counts):
    batches = []
    queue = receivers.register(
        "events", batches.append, batch=20, wait=0.5, message_class=JSONMessage
    )
    numbers("events", 50)

    consume(50)

    assert sorted(n for batch in batches for n in values(batch)) == list(range(50))
    assert max(map(len, batches)) == 20
    assert len(batches) <= 7
    assert counts(queue.full_name()) == (0, 0, 0)


def test_what_is_less_than_a_batch_waits_no_longer_than_it_should(receivers, numbers, start):
    came = threading.Event()
    batches = []

    def receive(messages):
        batches.append(values(messages))
        came.set()

    receivers.register("events", receive, batch=1_000, wait=0.2, message_class=JSONMessage)
    numbers("events", 3)
    started = time.monotonic()

    start(receivers)

    assert came.wait(10)
    assert time.monotonic() - started < 3
    assert sorted(n for batch in batches for n in batch) == [0, 1, 2]


def test_fail_and_restart_settle_single_messages(receivers, numbers, consume, counts, caplog):
    seen, restarted = [], []
    error = ValueError("the third")

    def receive(messages):
        seen.append(sorted(values(messages)))
        for message in messages:
            if message["n"] == 3:
                message.fail(error)
            if message["n"] == 5 and 5 not in restarted:
                restarted.append(5)
                message.restart(delay=0)

    queue = receivers.register(
        "events",
        receive,
        batch=10,
        wait=0.3,
        message_class=JSONMessage,
        dead_letter_queue="dead",
        dead_letter=ValueError,
    )
    numbers("events", 8)

    consume(9)

    assert sorted(n for batch in seen for n in batch) == [0, 1, 2, 3, 4, 5, 5, 6, 7]
    assert counts(queue.full_name()) == (0, 0, 0)
    assert counts(queue.full_dead_letter_name)[0] == 1
    [record] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert record.exc_info[1] is error


def test_an_exception_settles_all_and_its_traceback_is_told_once(
    receivers, numbers, consume, counts, caplog
):
    def receive(messages):
        raise ValueError("all of them")

    queue = receivers.register("events", receive, batch=10, wait=0.3)
    for _ in range(4):
        receivers.send("events", body="to be told")

    consume(4)

    assert counts(queue.full_name()) == (0, 0, 0)
    records = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert len(records) == 4
    assert all("to be told" in r.getMessage() for r in records)
    assert sum(r.exc_info is not None for r in records) < 4
    assert records[-1].exc_info or "all of them" in records[-1].getMessage()


def test_the_culprits_are_found_by_halves(receivers, numbers, consume, counts):
    done, runs = [], []

    def receive(messages):
        runs.append(len(messages))
        if any(message["n"] in (7, 30) for message in messages):
            raise ValueError("a bad one")
        done.extend(values(messages))

    queue = receivers.register(
        "events",
        receive,
        batch=40,
        wait=2,
        on_error="bisect",
        message_class=JSONMessage,
        dead_letter_queue="dead",
        dead_letter=ValueError,
    )
    numbers("events", 40)

    consume(40)

    assert sorted(done) == [n for n in range(40) if n not in (7, 30)]
    assert counts(queue.full_name()) == (0, 0, 0)
    assert counts(queue.full_dead_letter_name)[0] == 2
    assert len(runs) < 30


def test_what_passes_is_not_sought_in_single_messages(receivers, numbers, consume, counts):
    runs = []

    def receive(messages):
        runs.append(len(messages))
        raise RestartLater(delay=60)

    queue = receivers.register("events", receive, batch=10, wait=1, on_error="bisect")
    for _ in range(10):
        receivers.send("events", body="x")

    consume(10)

    assert sum(runs) == 10
    assert counts(queue.full_name())[1] == 10


@BOTH
def test_a_message_that_hangs_is_found_and_the_others_are_done(
    receivers, numbers, consume, counts, threads
):
    done = []

    def receive(messages):
        for message in messages:
            while message["n"] == 2:
                time.sleep(0.01)
        done.extend(values(messages))

    queue = receivers.register(
        "events",
        receive,
        batch=4,
        wait=1,
        timeout=0.2,
        on_error="bisect",
        message_class=JSONMessage,
        discard=TimedOut,
    )
    numbers("events", 4)

    consume(4)

    assert sorted(done) == [0, 1, 3]
    assert counts(queue.full_name()) == (0, 0, 0)


def test_one_that_cannot_be_read_harms_no_other(receivers, consume, counts, sqs):
    batches = []
    queue = receivers.register(
        "events",
        lambda m: batches.append(values(m)),
        batch=3,
        wait=1,
        message_class=JSONMessage,
        wire_format="raw",
    )
    url = sqs.create_queue(QueueName=queue.full_name())["QueueUrl"]
    for body in ('{"n": 1}', "no JSON", '{"n": 2}'):
        sqs.send_message(QueueUrl=url, MessageBody=body)

    consume(3)

    assert sorted(n for batch in batches for n in batch) == [1, 2]
    assert counts(queue.full_name()) == (0, 0, 0)


def test_what_has_expired_is_left_out(receivers, consume, counts):
    seen = []
    queue = receivers.register("events", seen.extend, batch=3, wait=2)
    receivers.send("events", body="late", expires=0.001)
    receivers.send_many("events", ["a", "b"])

    consume(3)

    assert sorted(message.get_body() for message in seen) == ["a", "b"]
    assert counts(queue.full_name()) == (0, 0, 0)


def test_one_that_stands_for_several_is_received_as_those(receivers, consume, counts):
    class Lines(JSONMessage):
        def parts(self):
            lines = self.get_body()
            return [json.dumps([line]) for line in lines] if len(lines) != 1 else None

    batches = []
    queue = receivers.register(
        "events",
        lambda messages: batches.append([message.get_body() for message in messages]),
        batch=3,
        wait=0.5,
        message_class=Lines,
        wire_format="raw",
    )
    receivers.send_many("events", [["a", "b"], ["c"]])

    consume(4)

    assert sorted(body for batch in batches for body in batch) == [["a"], ["b"], ["c"]]
    assert counts(queue.full_name()) == (0, 0, 0)


@BOTH
def test_an_asynchronous_receiver(receivers, numbers, consume, counts):
    seen = []

    async def receive(messages):
        seen.extend(values(messages))
        assert current_message.get().queue

    queue = receivers.register("events", receive, batch=10, wait=0.3, message_class=JSONMessage)
    numbers("events", 15)

    consume(15)

    assert sorted(seen) == list(range(15))
    assert counts(queue.full_name()) == (0, 0, 0)


def test_all_leases_are_renewed_over_a_slow_batch(receivers, numbers, start, counts, eventually):
    seen = []

    def receive(messages):
        seen.extend(values(messages))
        time.sleep(3.2)

    queue = receivers.register(
        "events", receive, batch=40, wait=1, visibility_timeout=2, message_class=JSONMessage
    )
    numbers("events", 40)

    start(receivers)

    eventually(lambda: len(seen) >= 40)
    eventually(lambda: counts(queue.full_name()) == (0, 0, 0))
    assert sorted(seen) == list(range(40))


def test_no_more_batches_run_at_once_than_concurrency(receivers, numbers, consume):
    lock, running, most = threading.Lock(), [0], [0]

    def receive(messages):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.05)
        with lock:
            running[0] -= 1

    receivers.register(
        "events", receive, batch=5, wait=0.1, concurrency=1, message_class=JSONMessage
    )
    numbers("events", 30)

    consume(30, threads=3)

    assert most == [1]


def test_each_message_counts_for_a_breaker(receivers, numbers, start, eventually):
    trips = []

    class Notes(Middleware):
        def tripped(self, registered, full_name, trip):
            trips.append(trip)

    receivers.middleware.append(Notes())

    def receive(messages):
        raise ConnectionError

    receivers.register(
        "events",
        receive,
        batch=10,
        wait=0.2,
        message_class=JSONMessage,
        retry=Retry(ConnectionError, tries=5, backoff=1),
        breaker=Breaker(on=ConnectionError, of=10, pause=60, shared=False),
    )
    numbers("events", 10)

    start(receivers)

    eventually(lambda: trips)
    assert trips[0].failed == 10


def test_what_tries_an_open_breaker_waits_for_no_others(receivers, start, eventually):
    trips, came = [], []

    class Notes(Middleware):
        def tripped(self, registered, full_name, trip):
            trips.append(trip)

    receivers.middleware.append(Notes())

    def receive(messages):
        came.append(time.monotonic())
        if not trips:
            raise ConnectionError

    receivers.register(
        "events",
        receive,
        batch=2,
        wait=20,
        retry=Retry(ConnectionError, tries=5, backoff=0),
        breaker=Breaker(on=ConnectionError, of=2, pause=1, shared=False),
    )
    receivers.send_many("events", ["a", "b"])

    start(receivers)

    eventually(lambda: len(trips) == 2)
    assert trips[-1] is None
    assert came[-1] - came[0] < 10


def test_each_message_has_its_own_middleware(receivers, numbers, consume):
    entered, left, settled = [], [], []

    class Notes(Middleware):
        def receiving(self, registered, delivery):
            return Context(delivery.message_id)

        def settled(self, settlement):
            settled.append((settlement.delivery.message_id, settlement.raised))

    class Context:
        def __init__(self, message_id):
            self.id = message_id

        def __enter__(self):
            entered.append(self.id)

        def __exit__(self, cls, exc, traceback):
            left.append((self.id, exc))

    receivers.middleware.append(Notes())
    error = ValueError("one of them")

    def receive(messages):
        messages[0].fail(error)

    receivers.register("events", receive, batch=3, wait=2, message_class=JSONMessage)
    numbers("events", 3)

    consume(3)

    assert len(set(entered)) == 3
    assert left[::-1] == settled
    assert [exc for _, exc in settled].count(error) >= 1
    assert [exc for _, exc in settled].count(None) <= 2


def test_ten_messages_cost_a_request(receivers, numbers, start, eventually):
    done, polls = [], []

    class Polls(Middleware):
        def polled(self, registered, received):
            polls.append(received)

    receivers.middleware.append(Polls())
    receivers.register("events", done.extend, batch=30, wait=1, message_class=JSONMessage)
    numbers("events", 60)

    start(receivers)

    eventually(lambda: len(done) == 60)
    assert len([received for received in polls if received]) <= 8


class TestFifo:
    @pytest.fixture
    def send(self, receivers):
        """Send numbers in groups, one of each group after the other."""

        def send(count, groups="abc"):
            items = [{"group": group, "n": n} for n in range(count) for group in groups]
            receivers.send_many("e.fifo", items, group_id=[item["group"] for item in items])

        return send

    @pytest.mark.parametrize("threads", [1, 3])
    def test_groups_keep_their_order(self, receivers, send, consume, counts):
        lock, batches = threading.Lock(), []

        def receive(messages):
            with lock:
                batches.append([(message["group"], message["n"]) for message in messages])

        queue = receivers.register("e.fifo", receive, batch=8, message_class=JSONMessage)
        send(12)

        consume(36)

        seen = [each for batch in batches for each in batch]
        for group in "abc":
            assert [n for name, n in seen if name == group] == list(range(12))
        assert len(batches) < 30
        assert counts(queue.full_name()) == (0, 0, 0)

    def test_what_follows_one_that_stays_comes_again_behind_it(
        self, receivers, send, start, eventually, counts
    ):
        batches, done, restarted = [], [], []

        def receive(messages):
            batches.append([message["n"] for message in messages])
            for message in messages:
                if message["n"] == 2 and not restarted:
                    restarted.extend(batches[-1])
                    message.restart(delay=1)
                    return
                done.append(message["n"])

        queue = receivers.register("e.fifo", receive, batch=10, wait=0.2, message_class=JSONMessage)
        send(5, "a")

        start(receivers)

        eventually(lambda: len(done) == 5)
        # The first poll, before it is known whether receives count, is for one.
        assert restarted == [1, 2, 3, 4]
        assert done == [0, 1, 2, 3, 4]
        eventually(lambda: counts(queue.full_name()) == (0, 0, 0))

    def test_those_of_other_groups_are_done(self, receivers, send, start, eventually, counts):
        done, restarted = [], []

        def receive(messages):
            for message in messages:
                if message["group"] == "b" and not restarted:
                    restarted.append(message["n"])
                    message.restart(delay=1)
                elif not (restarted and message["group"] == "b" and len(done) < 6):
                    done.append((message["group"], message["n"]))

        queue = receivers.register("e.fifo", receive, batch=9, wait=0.5, message_class=JSONMessage)
        send(3)

        start(receivers)

        eventually(lambda: counts(queue.full_name()) == (0, 0, 0))
        for group in "ac":
            assert [n for name, n in done if name == group] == [0, 1, 2]
        assert [n for name, n in done if name == "b"] == [0, 1, 2]

    def test_one_that_cannot_be_read_is_not_overtaken(self, receivers, start, eventually, sqs):
        batches = []
        queue = receivers.register(
            "e.fifo",
            lambda messages: batches.append(values(messages)),
            batch=10,
            wait=0.2,
            message_class=JSONMessage,
            wire_format="raw",
        )
        url = sqs.create_queue(QueueName=queue.full_name(), Attributes={"FifoQueue": "true"})
        for number, body in enumerate(('{"n": 0}', "no JSON", '{"n": 2}')):
            sqs.send_message(
                QueueUrl=url["QueueUrl"],
                MessageBody=body,
                MessageGroupId="a",
                MessageDeduplicationId=str(number),
            )

        start(receivers)

        eventually(lambda: batches == [[0], [2]])

    def test_what_middleware_refuse_is_not_overtaken(
        self, receivers, send, start, eventually, counts
    ):
        seen, refused = [], []

        class Refuses(Middleware):
            def admit(self, registered, delivery):
                if '"n": 1' in delivery.text and not refused:
                    refused.append(delivery.message_id)
                    return Admission(refused=RestartLater(0))
                return ADMITTED

        receivers.middleware.append(Refuses())
        queue = receivers.register(
            "e.fifo",
            lambda m: seen.extend(values(m)),
            batch=10,
            wait=0.2,
            message_class=JSONMessage,
        )
        send(3, "a")

        start(receivers)

        eventually(lambda: counts(queue.full_name()) == (0, 0, 0))
        assert refused
        assert seen == [0, 1, 2]

    def test_one_by_one_no_other_of_the_group_runs_beside(self, receivers, send, start, eventually):
        lock, running, most, seen = threading.Lock(), [0], [0], []

        def receive(messages):
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            seen.extend(values(messages))
            time.sleep(0.02)
            with lock:
                running[0] -= 1

        receivers.register("e.fifo", receive, batch=10, wait=0.2, message_class=JSONMessage)
        send(6, "a")
        since = time.monotonic()

        start(receivers, threads=3, one_by_one=lambda: time.monotonic() > since + 0.1)

        eventually(lambda: len(seen) >= 6)
        assert seen == [0, 1, 2, 3, 4, 5]
        assert most == [1]


class TestRegistration:
    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"batch": 0}, "batch must be a whole number from 1 to 1,000"),
            ({"batch": 1_001}, "batch must be"),
            ({"batch": True}, "batch must be"),
            ({"batch": 5, "wait": 0}, "wait must be a number above 0 and up to 300"),
            ({"batch": 5, "wait": 301}, "wait must be"),
            ({"wait": 5}, "wait is meaningful only with batch="),
            ({"on_error": "bisect"}, "on_error='bisect' is meaningful only with batch="),
            (
                {"batch": 5, "delete_on_start": True},
                "delete_on_start cannot be combined with batch=",
            ),
            (
                {"batch": 5, "queue_name": "x.fifo", "on_error": "bisect"},
                "on_error='bisect' cannot be combined with a FIFO queue",
            ),
            ({"batch": 5, "celery_task": "tasks.add"}, "batch cannot be combined with celery_task"),
        ],
    )
    def test_what_cannot_work_is_refused(self, receivers, options, says):
        fn = None if "celery_task" in options else print
        with pytest.raises(ConfigurationError, match=says):
            receivers.register(options.pop("queue_name", "events"), fn, **options)

    def test_a_queue_for_sending_has_no_batches(self, receivers):
        with pytest.raises(ConfigurationError, match="only with a receiver"):
            receivers.register("events", batch=5)

    def test_only_exceptions_can_be_failed_with(self, receivers):
        queue = receivers.register("events", print, batch=5)

        with pytest.raises(TypeError, match="not 'broken'"):
            received_message(queue, body="x").fail("broken")


class TestOneByOne:
    """Where messages do not come through a consumer they come as lists of one."""

    def test_eager_mode(self, receivers):
        seen = []

        def receive(messages):
            seen.append(values(messages))
            if len(seen) == 1:
                messages[0].restart()

        receivers.register("events", receive, batch=5, message_class=JSONMessage)

        with eager(receivers):
            receivers.send("events", body={"n": 1})

        assert seen == [[1], [1]]

    def test_eager_mode_raises_what_a_message_failed_with(self, receivers):
        receivers.register("events", lambda m: m[0].fail(ValueError("it")), batch=5)

        with eager(receivers), pytest.raises(ValueError, match="it"):
            receivers.send("events", body="x")

    def test_receive_single(self, receivers, counts):
        queue = receivers.register("events", len, batch=5)
        receivers.send("events", body="x")

        message, result = queue.receive_single()

        assert (message.get_body(), result) == ("x", 1)
        assert counts(queue.full_name()) == (0, 0, 0)

    def test_continue_begins_anew(self, receivers, caplog):
        def receive(messages):
            raise Continue(5)

        queue = receivers.register("events", receive, batch=5)

        with pytest.raises(RestartLater) as caught:
            queue.receive(received_message(queue, body="x"))

        assert not isinstance(caught.value, Continue)
        assert "Continue cannot be used with batch=" in caplog.text

    def test_a_receiver_of_single_messages_may_say_the_same(self, receivers):
        queue = receivers.register("events", lambda message: message.fail(ValueError("it")))

        with pytest.raises(ValueError, match="it"):
            queue.receive(received_message(queue, body="x"))
