"""python -m benchmarks: all figures. cost --json: exact counts only. tasks: stored results."""

import argparse
import json
import sys
import threading
from pathlib import Path

from . import runner
from .report import table
from .servers import stack
from .tasks import measure_tasks

HERE = Path(__file__).resolve().parent


def cost():
    """Requests of this library for each message, and for each minute of an idle queue."""
    # Enough that what a start costs, a few small requests until the pace is known, is little.
    count = 1_000
    with stack("ministack") as sender:
        idle = {}

        def measure_idle():
            # A first poll of 10 s, then polls of 20 s: two of their starts give the rate.
            idle.update(runner.measure_idle(sys.executable, "django-sqs", 1, 37, "ministack"))

        thread = threading.Thread(target=measure_idle)
        thread.start()
        sent = runner.measure_send(sender, sys.executable, "django-sqs, send_many", count, 0)
        received = runner.measure_consume(sender, sys.executable, "django-sqs", count, 0)
        thread.join()
    return {
        # Without GetQueueUrl and CreateQueue, which a queue costs once.
        "send_many": sent["requests"]["SendMessageBatch"] / (count + 8),
        "receive_delete": sum(
            received["requests"].get(operation, 0)
            for operation in ("ReceiveMessage", "DeleteMessageBatch", "DeleteMessage")
        )
        / (count + 8),
        "idle_per_minute_per_queue": idle["per_minute_per_queue"],
    }


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("all", "cost", "tasks"), default="all")
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    arguments = parser.parse_args()
    if arguments.what == "cost":
        figures = cost()
        print(json.dumps(figures) if arguments.json else figures)
        return
    if arguments.what == "tasks":
        with stack("ministack") as server:
            print(json.dumps(measure_tasks(server.direct), indent=2))
        return
    with stack("ministack") as server:
        results = runner.run_all(server)
    (HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    (HERE.parent / "docs" / "benchmarks.rst").write_text(table(results))


if __name__ == "__main__":
    main()
