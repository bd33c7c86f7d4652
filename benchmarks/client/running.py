"""Running: contenders' processes, seen from outside."""

import contextlib
import json
import selectors
import subprocess
import sys
import time
import uuid

from ..servers import HERE

#: Seconds that a contender may take for one answer.
PATIENCE = 60.0


class Failed(Exception):
    """A contender has ended, or does not answer."""


class Running:
    """A contender's process; its methods are those of :mod:`.contender`, ``do_`` left out."""

    def __init__(self, name, stub, queues, **about):
        self.name, self.queues = name, queues
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.client.contender"],
            cwd=HERE.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._tell({"name": name, "url": stub.url, "queues": queues, **about})

    def ready(self):
        """Wait until it is prepared."""
        self._answer()

    def ask(self, what, **details):
        """What it answers.

        :raises Failed: it does not.
        """
        self._tell({"do": what, **details})
        return self._answer()

    def end(self):
        """End the process, whatever it does."""
        self._process.kill()
        self._process.communicate()

    def _tell(self, line):
        try:
            print(json.dumps(line), file=self._process.stdin, flush=True)
        except OSError as exc:
            raise Failed(f"{self.name} has ended: {exc}") from None

    def _answer(self):
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(PATIENCE):
                raise Failed(f"{self.name} did not answer within {PATIENCE:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise Failed(f"{self.name} has ended by itself")
        return json.loads(line)


@contextlib.contextmanager
def contenders(stub, names, *, count=1, full=False, fifo=False, fill=True, **about):
    """A process for each of *names*, each with *count* queues of its own, prepared at once.

    :param full: whether the queues are full from the start.
    :param fill: whether each is sent a message of the contender's own first.
    :param about: what else :mod:`.contender` is told.
    """
    running = []
    try:
        for name in names:
            prefix = f"{'full' if full else 'idle'}-{uuid.uuid4().hex[:8]}-"
            queues = stub.create(prefix, count, suffix=".fifo" if fifo else "")
            running.append(Running(name, stub, queues, fill=fill, **about))
        for each in running:
            each.ready()
        yield running
    finally:
        for each in running:
            each.end()


def wait_until(condition, seconds=20.0):
    """Whether *condition* came true within these seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
