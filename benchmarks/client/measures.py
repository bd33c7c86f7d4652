"""Measures: what is done to the contenders, and what is seen then, without any judgement."""

import json
import subprocess
import sys
import time

from .. import tasks
from ..servers import HERE, stub
from .running import contenders, wait_until

LOOP, SINGLE = "boto3 batch loop", "boto3, one by one"
ONE, TEN, MANY = "django-sqs", "django-sqs, 10 threads", "django-sqs, send_many"
STOCK, ON_OURS = "Celery, 10 threads", "Celery on django-sqs, 10 threads"
RECEIVES = "ReceiveMessage"
#: The most round trips, and seconds, for which a contender may get faster; by what factor it
#: does from one look to the next; and after how many looks without that it no longer does.
MOST_ROUND_TRIPS, MOST_WARM_UP, GROWING, STILL = 75, 2.2, 1.1, 3
#: At rest each queue is polled once in 20 s.  With polls of 4 s all of them come to an end once
#: within a look of as many seconds; what a poll costs is the same.
POLLS_OFTEN = {"wait_time_seconds": 4}
SETTLEMENTS = (
    "DeleteMessage",
    "DeleteMessageBatch",
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
)


class Measures:
    """All measures against one stub.

    :param window: seconds that one look at a contender lasts.
    :param rounds: how often the contenders take turns.
    """

    def __init__(self, stub, window, rounds):
        self._stub = stub
        self._window = window
        self._rounds = rounds

    def consume(self):
        """Receivers that do nothing: looks by latency and contender, and RSS of one queue."""
        with contenders(self._stub, [LOOP, ONE, TEN], consume=True) as running:
            looks = self._in_turns(running, (0.0, 0.02, 0.1))
            memory = {each.name: each.ask("facts")["rss_mb"] for each in running}
        return {"looks": looks, "rss_mb": memory}

    def parts(self):
        """What each part of a message's way costs where nothing else wants the interpreter."""
        # What it receives is not deleted, and the other sections count what is in flight.
        with stub(pinned=True) as own:
            command = [sys.executable, "-m", "benchmarks.client.parts", own.url]
            done = subprocess.run(
                command, cwd=HERE.parent, capture_output=True, text=True, timeout=60, check=True
            )
        return json.loads(done.stdout)

    def celery(self):
        """The same of Celery, on both transports, which takes longer."""
        with contenders(self._stub, [STOCK, ON_OURS], consume=True) as running:
            return {"looks": self._in_turns(running, (0.0, 0.02))}

    def sleeping(self, cases):
        """Receivers that sleep: what was seen of each of *cases*, (threads, pause in seconds)."""
        rows = []
        names = {1: ONE, 10: TEN}
        with contenders(self._stub, [ONE, TEN], consume=True) as running:
            by_name = {each.name: each for each in running}
            # A sleep lasts longer than it was asked for.
            sleeps = {
                pause: running[0].ask("sleep", pause=pause, seconds=0.3)["per_second"]
                for pause in {pause for _, pause in cases}
            }
            for latency in (0.02, 0.1):
                for threads, pause in cases:
                    seen = self._look(by_name[names[threads]], latency, pause=pause)
                    of = {"threads": threads, "pause": pause, "latency": latency}
                    rows.append({**of, "possible": threads * sleeps[pause], **seen})
        return {"rows": rows}

    def fifo(self, burst):
        """100 message groups, 10 threads, receivers of 50 ms, 20 ms for a request.

        :param burst: how many messages of a group an answer has at most.
        """
        with contenders(self._stub, [TEN], fifo=True, consume=True) as [each]:
            self._stub.queue(each.queues[0], burst=burst)
            seen = self._look(each, 0.02, pause=0.05, window=max(2.0, 2 * self._window))
        return {**seen, "burst": burst}

    def send(self, count):
        """{contender: [figures of each round]}."""
        names = {SINGLE: 1, ONE: 1, TEN: 1, LOOP: 5, MANY: 5}
        found = {name: [] for name in names}
        self._stub.reset()
        with contenders(self._stub, list(names)) as running:
            for _ in range(self._rounds):
                for each in running:
                    found[each.name].append(each.ask("send", count=count * names[each.name]))
        return found

    def idle(self, count):
        """Many idle queues: what they cost at rest, and how soon it starts and stops."""
        self._stub.reset()
        with contenders(
            self._stub, [ONE], count=count, consume=True, fill=False, options=POLLS_OFTEN
        ) as [each]:
            all_polled = wait_until(lambda: self._stub.stats()["queues_polled"] == count, 30)
            stats = self._stub.stats()
            self._wait_until_asked()
            polled, before = self._stub.stats()["requests"][RECEIVES], each.ask("sample")
            time.sleep(POLLS_OFTEN["wait_time_seconds"])
            polled, after = self._stub.stats()["requests"][RECEIVES] - polled, each.ask("sample")
            facts = each.ask("facts")
            stop = each.ask("stop", break_off=True)["seconds"]
        return {
            "queues": count,
            "threads": facts["threads"],
            "rss_mb": facts["rss_mb"],
            "poll_us": (after["cpu"] - before["cpu"]) / max(1, polled) * 1e6,
            "imported_in": facts["imported_in"],
            "all_poll_seconds": stats["last_first_poll"] - facts["began"] if all_polled else None,
            "stop_seconds": stop,
            "requests": stats["requests"],
        }

    def _wait_until_asked(self):
        """Wait until what is asked behind the first polls was asked; it begins a moment later."""
        time.sleep(3.0)
        deadline, before = time.monotonic() + 10.0, None
        while (now := self._asked()) != before and time.monotonic() < deadline:
            before = now
            time.sleep(0.5)

    def _asked(self):
        requests = self._stub.stats()["requests"]
        return {name: count for name, count in requests.items() if name != RECEIVES}

    def full(self, count):
        """Many full queues, 20 ms for a request, and a graceful stop."""
        self._stub.reset()
        with contenders(self._stub, [TEN], count=count, consume=True, full=True) as [each]:
            self._stub.set_latency(0.02)
            polled = wait_until(lambda: self._stub.stats()["queues_polled"] == count)
            undeleted, polls = [], []
            first = self._stub.stats()
            deadline = time.monotonic() + 2 * self._window
            while time.monotonic() < deadline:
                stats = self._stub.stats()
                # Asked later, so that it is never too few.
                undeleted.append(each.ask("sample")["started"] - stats["deleted"])
                polls.append(stats["polls"])
                time.sleep(0.05)
            last = self._stub.stats()
            facts = each.ask("facts")
            stop = each.ask("stop", break_off=False)["seconds"]
            stats, started = self._stub.stats(), each.ask("sample")["started"]
        return {
            "queues": count,
            "all_polled": polled,
            "most_undeleted": max(undeleted),
            "most_polls": max(polls),
            "undeleted_after_stop": started - stats["deleted"],
            "in_flight_after_stop": stats["in_flight"],
            "stop_seconds": stop,
            "rss_mb": facts["rss_mb"],
            "per_second": (last["deleted"] - first["deleted"]) / (last["now"] - first["now"]),
        }

    def tasks(self, count):
        """Django's tasks, enqueued in one call, then run by a worker with one thread."""
        with (
            contenders(self._stub, [LOOP]) as [sender],
            contenders(self._stub, [LOOP], consume=True) as [receiver],
        ):
            self._look(receiver, 0.0, window=0.1)
            return {
                "tasks": tasks.run(self._stub.url, "without", count),
                "sent": sender.ask("send", count=count),
                "received": self._look(receiver, 0.0),
            }

    def _in_turns(self, running, latencies):
        """Looks by latency and contender, round by round."""
        for each in running:
            # The first is not counted: code is loaded, and connections are opened.
            self._look(each, 0.0, window=0.1)
        found = {}
        for latency in latencies:
            looks = found[f"{latency * 1000:.0f} ms"] = {each.name: [] for each in running}
            # Where a request takes long, few are seen in a short look, and warming up takes longer.
            long = latency > 0.0
            for _ in range(1 if long else self._rounds):
                for each in running:
                    window = self._window * (2 if long else 1)
                    looks[each.name].append(self._look(each, latency, window=window))
        return found

    def _look(self, each, latency, *, pause=0.0, window=None):
        """Let one contender's queues be full for a while, and see what it does in a window."""
        each.ask("pause", seconds=pause)
        self._stub.reset(latency)
        before = each.ask("sample")["started"]
        self._set(each, "all")
        self._warm_up(each, latency)
        first, stats = each.ask("sample"), self._stub.stats()
        most_held = self._watch(each, before, window or self._window, often=bool(pause))
        last, then = each.ask("sample"), self._stub.stats()
        self._set(each, 0)
        each.ask("pause", seconds=0.0)
        wait_until(lambda: not self._stub.stats()["in_flight"], 5)
        return {**look(first, last, stats, then), "most_held": most_held}

    def _warm_up(self, each, latency):
        """Wait until it is no longer getting faster: polls at once follow what has come."""
        time.sleep(0.3 + 5 * latency)
        deadline = time.monotonic() + min(MOST_WARM_UP, MOST_ROUND_TRIPS * latency)
        fastest, still, sample = 0.0, 0, each.ask("sample")
        while time.monotonic() < deadline:
            time.sleep(max(0.1, 3 * latency))
            before, sample = sample, each.ask("sample")
            rate = (sample["started"] - before["started"]) / (sample["at"] - before["at"])
            still = still + 1 if rate < GROWING * fastest else 0
            if still == STILL:
                return
            fastest = max(fastest, rate)

    def _watch(self, each, before, seconds, *, often):
        """The most messages that were received and not started in these seconds, if asked."""
        deadline = time.monotonic() + seconds
        most = 0 if often else None
        while often and time.monotonic() < deadline:
            started = each.ask("sample")["started"] - before
            stats = self._stub.stats()
            most = max(most, stats["handed_out"] - stats["given_back"] - started)
            time.sleep(0.05)
        time.sleep(max(0.0, deadline - time.monotonic()))
        return most

    def _set(self, each, left):
        for queue in each.queues:
            self._stub.queue(queue, left=left)


def look(first, last, stats, then):
    """What a contender did between two samples of it, and of the stub."""
    started = last["started"] - first["started"]
    deleted = then["deleted"] - stats["deleted"]
    requests = sum(
        then["requests"].get(name, 0) - stats["requests"].get(name, 0)
        for name in (RECEIVES, *SETTLEMENTS)
    )
    return {
        "per_second": started / (last["at"] - first["at"]),
        "cpu_us": (last["cpu"] - first["cpu"]) / started * 1e6 if started else None,
        "requests_per_message": requests / deleted if deleted else None,
    }
