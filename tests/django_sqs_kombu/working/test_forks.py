"""A receiver that forks: its children are none of the worker's processes."""

import logging
import os
import sys
import threading

import pytest

from django_sqs_kombu import ReceiverConsumer


def fail():
    raise ValueError("in the child")


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda: None, 0),
        (lambda: sys.exit(0), 0),
        (lambda: sys.exit(7), 7),
        (lambda: sys.exit("why"), 1),
        (fail, 1),
        (lambda: os._exit(3), 3),
    ],
    ids=["returns", "exits", "exits with a code", "exits with a reason", "fails", "_exit"],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_they_end_with_the_receiver(receivers, counts, end, code, threads):
    codes = []

    def receive(message):
        child = os.fork()
        if child == 0:
            return end()
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    queue = receivers.register("orders", receive, timeout=20)
    queue.send(body="x")

    ReceiverConsumer(receivers, message_limit=1, threads=threads).run()

    assert codes == [code]
    assert counts(queue.full_name()) == (0, 0, 0)


class Held(logging.Handler):
    """A handler whose file another thread is writing."""

    writing = threading.Lock()

    def emit(self, record):
        with self.writing:
            pass


def test_a_child_ends_where_a_log_was_being_written_at_the_fork(receivers, counts):
    handler, codes = Held(), []
    logs = logging.getLogger("django_sqs_kombu.working.forks")

    def receive(message):
        child = os.fork()
        if child == 0:
            # As if another thread had had it at the fork, which is not here.
            handler.writing.acquire()
            return
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    queue = receivers.register("orders", receive, timeout=20)
    queue.send(body="x")
    logs.addHandler(handler)
    try:
        ReceiverConsumer(receivers, message_limit=1, threads=2).run()
    finally:
        logs.removeHandler(handler)

    assert codes == [0]
    assert counts(queue.full_name()) == (0, 0, 0)
