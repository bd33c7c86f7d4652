"""A contender's process: it consumes all the time, or sends when told, and is asked by lines.

    python -m benchmarks.client.contender

reads JSON, one object a line: first what it is (``name``, ``url``, ``queues``, and ``fill``,
whether a message is sent to each queue first; ``consume``, whether it consumes; ``options`` of the
transport), then
``{"do": ...}``, each answered by one line.
"""

import gc
import itertools
import json
import os
import sys
import threading
import time
from importlib import import_module
from pathlib import Path

from ..contenders import CONTENDERS
from ..cores import CLIENT, pin

PAGE = os.sysconf("SC_PAGE_SIZE")
STATM = Path("/proc/self/statm")


class Counter:
    """What the contender's receiver calls, in place of a meter that ends by itself.

    :ivar pause: seconds that each message takes.
    """

    def __init__(self):
        self.done = threading.Event()
        self.break_off = False
        self.pause = 0.0
        # Counts threads' calls without a lock, which would be a cost of ours.
        self._numbers = itertools.count()
        self._looks = 0

    def tick(self, *args, **kwargs):
        next(self._numbers)
        if self.pause:
            time.sleep(self.pause)

    @property
    def started(self):
        """How many messages were started."""
        self._looks += 1
        return next(self._numbers) - self._looks + 1


class Contender:
    """Answers commands while the main thread consumes."""

    def __init__(self, about):
        self._about = about
        self._url, self._queues = about["url"], about["queues"]
        self._contender = CONTENDERS[about["name"]]()
        if about.get("options"):
            self._contender.options = about["options"]
        self._counter = Counter()
        self._ended = threading.Event()
        self._stopped_at = None

    def run(self):
        """Prepare, say so, and answer until told to end."""
        pin(CLIENT)
        if self._about.get("fill"):
            self._contender.fill(self._url, self._queues, len(self._queues))
        threading.Thread(target=self._listen, daemon=True).start()
        if self._about.get("consume"):
            # A process imports before it consumes anything; those that fill have done so.
            began = time.monotonic()
            for module in getattr(self._contender, "modules", ()):
                import_module(module)
            self._began = time.monotonic()
            self._imported_in = self._began - began
            self._contender.consume(self._url, self._queues, self._counter)
            self._stopped_at = time.monotonic()
            self._ended.set()
        threading.Event().wait()

    def _listen(self):
        _say({})
        for line in sys.stdin:
            command = json.loads(line)
            _say(getattr(self, f"do_{command.pop('do')}")(**command))
        os._exit(0)

    def do_sample(self):
        """How far it has come."""
        return {
            "started": self._counter.started,
            "at": time.monotonic(),
            "cpu": time.process_time(),
        }

    def do_pause(self, seconds):
        self._counter.pause = seconds
        return {}

    def do_sleep(self, pause, seconds):
        """How often a second a thread that does nothing else sleeps so long."""
        began, count = time.monotonic(), 0
        while time.monotonic() - began < seconds:
            time.sleep(pause)
            count += 1
        return {"per_second": count / (time.monotonic() - began)}

    def do_facts(self):
        """What it holds of the machine."""
        gc.collect()
        return {
            "began": self._began,
            "imported_in": self._imported_in,
            "threads": len(os.listdir("/proc/self/task")),
            "rss_mb": int(STATM.read_text().split()[1]) * PAGE / 2**20,
        }

    def do_send(self, count):
        """Send, once the connections are open."""
        self._contender.send(self._url, self._queues, 8)
        at, cpu = time.monotonic(), time.process_time()
        self._contender.send(self._url, self._queues, count)
        seconds, cpu = time.monotonic() - at, time.process_time() - cpu
        return {"cpu_us": cpu / count * 1e6, "per_second": count / seconds}

    def do_stop(self, break_off):
        """Stop consuming; how long that took."""
        self._counter.break_off = break_off
        at = time.monotonic()
        self._counter.done.set()
        ended = self._ended.wait(40)
        return {"seconds": self._stopped_at - at if ended else None}


def _own_output():
    """What answers go to; whatever else a contender prints, as Celery does, goes to its errors."""
    own = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return own


def _say(answer):
    print(json.dumps(answer), file=OUTPUT, flush=True)


if __name__ == "__main__":
    OUTPUT = _own_output()
    Contender(json.loads(sys.stdin.readline())).run()
