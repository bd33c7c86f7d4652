"""python -m benchmarks.contenders: run one, see the package."""

import sys
import threading
import time

from . import CONTENDERS
from .meter import Meter, report

#: Seconds from one message to the next where they come one at a time.
PAUSE = 0.25


def main(name, action, count, queues, url):
    count, queues = int(count), queues.split(",")
    contender, meter = CONTENDERS[name](), Meter(count)
    if action == "consume":
        contender.consume(url, queues, meter)
    elif action == "idle":
        threading.Timer(count, lambda: report(meter)).start()
        contender.consume(url, queues, meter)
    elif action == "drip":
        for _ in range(count):
            contender.fill(url, queues, 1)
            time.sleep(PAUSE)
    else:
        # The first request opens connections and finds the queue.
        getattr(contender, action)(url, queues, 8)
        meter.start()
        getattr(contender, action)(url, queues, count)
        meter.stop(count)
    report(meter)


if __name__ == "__main__":
    main(*sys.argv[1:])
