"""Runs contenders one after the other and gathers their figures."""

import json
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from .about import about
from .costs import SINGLES
from .servers import PEERS, environment, stack

#: (messages, latency in seconds); fewer with latency, for the peers' sake.
CONDITIONS = [(1_000, 0.0), (300, 0.02)]
SENDERS = [
    "boto3 batch loop",
    "django-sqs",
    "django-sqs, 10 threads",
    "django-sqs, send_many",
    "kombu ConsumerMixin",
    "Celery, 10 threads",
    "sqs-workers",
    "dramatiq-sqs, 10 threads",
]
#: Contenders that consume from many queues in one process, and from how many.
MANY_QUEUES = [
    "boto3 batch loop",
    "django-sqs",
    "django-sqs, 10 threads",
    "kombu ConsumerMixin",
    "Celery, 10 threads",
    "sqs-workers",
    "dramatiq-sqs, 10 threads",
]
QUEUES = (5, 50)
IDLE_QUEUES = (1, 50)
#: Whose versions are told.
PACKAGES = (
    *("django-sqs", "boto3", "botocore", "pycurl", "kombu", "celery"),
    *("sqs-workers", "dramatiq", "dramatiq-sqs"),
)
CONSUMERS = [name for name in SENDERS if name != "django-sqs, send_many"] + ["django-sqs, raw"]


def peers_python():
    """The Python that has all contenders."""
    try:
        return environment(PEERS, "-e", ".[celery]", "sqs-workers", "dramatiq", "dramatiq-sqs")
    except subprocess.CalledProcessError:
        print("The peers could not be installed; only this library is measured.")
        return sys.executable


def contend(python, name, action, count, queues, url, timeout=240):
    """Run one contender; its figures, or None where it failed."""
    command = [python, "-m", "benchmarks.contenders", name, action, count, ",".join(queues), url]
    try:
        done = subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=True,
        )
        return json.loads(done.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, json.JSONDecodeError, IndexError) as exc:
        error = getattr(exc, "stderr", None) or ""
        print(f"  {name} {action}: failed: {exc} {error[-400:]}")
        return None


def queue_names(count):
    return [f"bench-{uuid.uuid4().hex[:8]}-{number}" for number in range(count)]


def measure_send(server, python, name, count, latency):
    [queue] = queue_names(1)
    server.reset(latency)
    figures = contend(python, name, "send", count, [queue], server.url)
    return figures and {**figures, **_traffic(server, count + 8)}


def measure_consume(server, python, name, count, latency, queues=1, full=None):
    """Consume *count* messages from *queues* queues, of which the first *full* have any."""
    names = queue_names(queues)
    if contend(python, name, "fill", count, names[: full or queues], server.direct) is None:
        return None
    server.reset(latency)
    # The 8 messages of the warm-up are there, too.
    figures = contend(python, name, "consume", count + 8, names, server.url)
    return figures and {**figures, **_traffic(server, count + 8)}


def measure_single(server, python, name, count=SINGLES):
    """Consume from a queue that never has more than one message."""
    [queue] = queue_names(1)
    server.reset()
    with ThreadPoolExecutor(1) as pool:
        consuming = pool.submit(contend, python, name, "consume", count, [queue], server.url)
        while not server.stats()["receives"] and not consuming.done():
            time.sleep(0.05)
        # Past the proxy, which counts the consumer's requests alone.
        contend(python, name, "drip", count, [queue], server.direct)
        figures = consuming.result()
    return figures and {**figures, **_traffic(server, count)}


def measure_idle(python, name, queues, seconds=70, kind="ministack"):
    """ReceiveMessage requests a minute and queue once a contender has settled down."""
    with stack(kind) as own:
        figures = contend(
            python, name, "idle", seconds, queue_names(queues), own.url, timeout=seconds + 60
        )
        receives = own.stats()["receives"]
    return figures and {**figures, "per_minute_per_queue": steady_rate(receives, queues)}


def measure_all_idle(python):
    """Idle contenders need nothing of the machine, so all are measured at once."""
    cases = [(name, queues) for queues in IDLE_QUEUES for name in MANY_QUEUES]
    with ThreadPoolExecutor(len(cases)) as pool:
        figures = pool.map(lambda case: measure_idle(python, *case), cases)
    results = {}
    for (name, queues), measured in zip(cases, figures, strict=True):
        print(f"idle {queues} queues {name}: {measured}", flush=True)
        results.setdefault(str(queues), {})[name] = measured
    return results


def steady_rate(receives, queues):
    """Polls a minute and queue, from the second poll of each queue to its last.

    The first poll of a queue is shorter; what follows is the steady state.
    """
    settled = receives[queues:]
    rounds = (len(settled) - queues) / queues
    if rounds <= 0:
        return None
    return rounds * 60 / (settled[-1] - settled[0])


def _traffic(server, count):
    stats = server.stats()
    requests = {op: n for op, n in stats["requests"].items() if op != "other"}
    return {
        "requests_per_message": sum(requests.values()) / count,
        "requests": requests,
        "wire_bytes_per_message": stats["bytes"] / count,
    }


def run_all(server, only=()):
    """Every measurement, as a JSON-able mapping, and under ``about`` with what each was made.

    :param only: the sections to measure, of :data:`SECTIONS`; none: all of them.
    """
    python = peers_python()
    results = {"about": {}}
    for name, section in SECTIONS.items():
        if not only or name in only:
            results["about"][name] = about(PACKAGES, python)
            results[name] = section(server, python)
    return results


def run_send(server, python):
    """Sending, by latency and contender."""
    return _in_conditions("send", SENDERS, measure_send, server, python)


def run_consume(server, python):
    """Receiving and deleting, by latency and contender."""
    return _in_conditions("consume", CONSUMERS, measure_consume, server, python)


def _in_conditions(action, names, measure, server, python):
    results = {}
    for count, latency in CONDITIONS:
        key = f"{latency * 1000:.0f} ms"
        for name in names:
            figures = measure(server, python, name, count, latency)
            print(f"{action} {key} {name}: {_short(figures)}", flush=True)
            results.setdefault(key, {})[name] = figures
    return results


def run_queues(server, python):
    """Receiving from several queues, by their number and contender."""
    results = {}
    for queues in QUEUES:
        for name in MANY_QUEUES:
            figures = measure_consume(server, python, name, 1_000, 0.0, queues)
            print(f"{queues} queues {name}: {_short(figures)}", flush=True)
            key = "1 queue" if queues == 1 else f"{queues} queues"
            results.setdefault(key, {})[name] = figures
    return results


def run_full(server, python):
    """This library: a full queue alone, and one among 20; the better of two rounds."""
    results = {}
    for queues in (1, 20, 1, 20):
        figures = measure_consume(
            server, python, "django-sqs, 10 threads", 2_000, 0.02, queues, full=1
        )
        print(f"full among {queues}: {_short(figures)}", flush=True)
        key = "a full queue alone" if queues == 1 else "a full queue among 20"
        best = results.get(key)
        if figures and (best is None or figures["per_second"] > best["per_second"]):
            results[key] = figures
    return results


def run_single(server, python):
    """Receiving and deleting from a queue that has one message at a time."""
    names = ("django-sqs", "Celery, 10 threads")
    return {name: measure_single(server, python, name) for name in names}


#: What is measured, by name, for `python -m benchmarks --only`.
SECTIONS = {
    "send": run_send,
    "consume": run_consume,
    "single": run_single,
    "queues": run_queues,
    "full": run_full,
    "idle": lambda server, python: measure_all_idle(python),
}


def _short(figures):
    if not figures:
        return "-"
    return (
        f"{figures['per_second']:.0f}/s, {figures['cpu_us']:.0f} us, "
        f"{figures['requests_per_message']:.2f} requests, {figures['rss_mb']:.0f} MB"
    )
