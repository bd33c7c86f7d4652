"""Meter: what a contender's process measures of itself, and prints."""

import json
import os
import re
import resource
import threading
import time
from pathlib import Path

PAYLOAD = "8 bytes!"
KEYS = {"aws_access_key_id": "bench", "aws_secret_access_key": "bench"}
REGION = "us-east-1"
PATIENCE = 120.0
#: Seconds for what a contender still has to acknowledge when the last message is handled.
AFTERWARDS = 1.0


class Meter:
    """Measures from the first message to the last.

    :ivar done: set when all are handled: whoever consumes then stops.
    :ivar break_off: whether it breaks off the polls that are under way then.
    """

    break_off = False

    def __init__(self, count):
        self._left = count
        self._count = count
        self._lock = threading.Lock()
        self.done = threading.Event()
        self.result = {}

    def start(self):
        self._started = time.perf_counter()
        self._cpu = time.process_time()

    def tick(self, *args, **kwargs):
        """One message was handled."""
        with self._lock:
            if self._left == self._count:
                self.start()
            self._left -= 1
            if self._left == 0:
                self.stop(self._count - 1)

    def stop(self, count):
        seconds = time.perf_counter() - self._started
        self.result = {
            "per_second": count / seconds,
            "cpu_us": (time.process_time() - self._cpu) / count * 1e6,
        }
        self.done.set()


def report(meter):
    """Print the figures and end the process, whatever its threads still do."""
    print(json.dumps({**meter.result, "rss_mb": peak_mb()}), flush=True)
    os._exit(0)


def peak_mb():
    """The most memory that this process had.

    ``ru_maxrss``, where there is no better, starts at what the parent had that forked it.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1024
