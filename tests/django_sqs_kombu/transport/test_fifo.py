"""FIFO queues: a group's messages run in order, never two at once; groups run in parallel."""

import threading
import time
from collections import defaultdict

import pytest

from django_sqs_kombu import ReceiverConsumer, RestartLater

GROUPS = ("a", "b", "c")


class Recorder:
    """A receiver that records each group's runs and watches that none overlap."""

    def __init__(self, misbehave=lambda body, run: None):
        self.runs = defaultdict(list)
        self.at_once = 0
        self.most_at_once = 0
        self.overlaps = 0
        self._busy = set()
        self._lock = threading.Lock()
        self._misbehave = misbehave

    def __call__(self, message):
        group, body = message.get_body().split("-")
        with self._lock:
            self.overlaps += group in self._busy
            self._busy.add(group)
            self.runs[group].append(int(body))
            self.most_at_once = max(self.most_at_once, len(self._busy))
            run = self.runs[group].count(int(body))
        try:
            time.sleep(0.05)
            self._misbehave(int(body), run)
        finally:
            with self._lock:
                self._busy.discard(group)


@pytest.fixture
def consume(receivers):
    def consume(recorder, per_group, receives, threads):
        receivers.register("orders.fifo", recorder)
        receivers.send_many(
            "orders.fifo",
            [f"{group}-{number}" for number in range(per_group) for group in GROUPS],
            group_id=lambda item: item[0],
        )
        consumer = ReceiverConsumer(receivers, threads=threads, message_limit=receives)
        guard = threading.Timer(40, consumer.stop)
        guard.start()
        consumer.run()
        assert guard.is_alive(), dict(recorder.runs)
        guard.cancel()

    return consume


@pytest.mark.parametrize("threads", [1, 4])
def test_each_group_runs_in_order(consume, threads, receivers, counts):
    recorder = Recorder()

    consume(recorder, per_group=6, receives=18, threads=threads)

    assert dict(recorder.runs) == {group: list(range(6)) for group in GROUPS}
    assert recorder.overlaps == 0
    assert counts(receivers.get("orders.fifo").full_name()) == (0, 0, 0)
    if threads > 1:
        assert recorder.most_at_once > 1


@pytest.mark.parametrize("threads", [1, 4])
def test_a_restarted_message_holds_its_group_back(consume, threads):
    def restart(body, run):
        if body == 1 and run == 1:
            raise RestartLater(delay=1)

    recorder = Recorder(restart)

    consume(recorder, per_group=4, receives=15, threads=threads)

    assert dict(recorder.runs) == {group: [0, 1, 1, 2, 3] for group in GROUPS}
    assert recorder.overlaps == 0


def test_a_failed_message_is_gone_before_the_next_of_its_group(consume):
    def fail(body, run):
        if body == 1:
            raise ValueError

    recorder = Recorder(fail)

    consume(recorder, per_group=4, receives=12, threads=4)

    assert dict(recorder.runs) == {group: [0, 1, 2, 3] for group in GROUPS}


def test_order_is_kept_through_a_stop(receivers, eventually):
    recorder = Recorder()
    receivers.register("orders.fifo", recorder)
    receivers.send_many("orders.fifo", [f"a-{n}" for n in range(12)], group_id="a")
    for _ in range(3):
        consumer = ReceiverConsumer(receivers, threads=2)
        thread = threading.Thread(target=consumer.run)
        seen = len(recorder.runs["a"])
        thread.start()
        eventually(lambda seen=seen: len(recorder.runs["a"]) > seen + 1)
        consumer.stop()
        thread.join(10)
    ReceiverConsumer(receivers, threads=2, message_limit=max(1, 12 - len(recorder.runs["a"]))).run()

    assert recorder.runs["a"] == list(range(12))
