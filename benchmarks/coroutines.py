"""Receivers that wait for a second, together on one event loop: messages a second and memory.

``python -m benchmarks.coroutines [COROUTINES [SECONDS]]``
"""

import asyncio
import logging
import os
import sys
import threading
import time
from pathlib import Path

from django_sqs_kombu import ReceiverConsumer, Receivers

from .servers import end_in_order, stub

#: Seconds before the first look, and between two.
BEGIN, LOOK, LOOKS = 4, 4, 3


def resident_mb():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def look(done, seconds):
    """Print what is done meanwhile, in messages a second."""
    time.sleep(seconds)
    before, at, cpu = done[0], time.monotonic(), time.process_time()
    for _ in range(LOOKS):
        time.sleep(LOOK)
        took = time.monotonic() - at
        rate, busy = (done[0] - before) / took, (time.process_time() - cpu) / took
        print(f"{rate:.0f} messages/s, {resident_mb():.0f} MB, {busy:.0%} of a core", flush=True)
        before, at, cpu = done[0], time.monotonic(), time.process_time()


def main(coroutines=500, seconds=1.0):
    end_in_order()
    logging.disable(logging.WARNING)
    done = [0]
    with stub() as server:
        options = {"endpoint_url": server.url, "region": "us-east-1"}
        receivers = Receivers("sqs-batch://testing:testing-secret@", transport_options=options)

        @receivers.receiver("waiting", wire_format="raw", visibility_timeout=120)
        async def receive(message):
            await asyncio.sleep(seconds)
            done[0] += 1

        receivers.send("waiting", body="x")
        consumer = ReceiverConsumer(receivers, coroutines=coroutines)
        thread = threading.Thread(target=consumer.run)
        thread.start()
        try:
            look(done, BEGIN)
        finally:
            consumer.stop(break_off=True)
            thread.join()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *map(float, sys.argv[2:3]))
