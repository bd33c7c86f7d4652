"""Runs contenders one after the other and gathers their figures."""

import json
import subprocess
import sys
import uuid

from .servers import PEERS, environment

#: (messages, latency in seconds); fewer with latency, for the peers' sake.
CONDITIONS = [(2_000, 0.0), (500, 0.02)]
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


def measure_send(stack, python, name, count, latency):
    [queue] = queue_names(1)
    stack.reset(latency)
    figures = contend(python, name, "send", count, [queue], stack.url)
    return figures and {**figures, **_traffic(stack, count + 8)}


def measure_consume(stack, python, name, count, latency, queues=1):
    names = queue_names(queues)
    if contend(python, name, "fill", count, names, stack.direct) is None:
        return None
    stack.reset(latency)
    # The 8 messages of the warm-up are there, too.
    total = count + (8 // queues) * queues
    figures = contend(python, name, "consume", total, names, stack.url)
    return figures and {**figures, **_traffic(stack, total)}


def measure_idle(stack, python, name, queues, seconds=60):
    """ReceiveMessage requests a minute and queue once a contender has settled down."""
    names = queue_names(queues)
    stack.reset()
    figures = contend(python, name, "idle", seconds, names, stack.url, timeout=seconds + 60)
    receives = stack.stats()["receives"]
    return figures and {**figures, "per_minute_per_queue": steady_rate(receives, queues)}


def steady_rate(receives, queues):
    """Polls a minute and queue, from the second poll of each queue to its last.

    The first poll of a queue is shorter; what follows is the steady state.
    """
    settled = receives[queues:]
    rounds = (len(settled) - queues) / queues
    if rounds <= 0:
        return None
    return rounds * 60 / (settled[-1] - settled[0])


def _traffic(stack, count):
    stats = stack.stats()
    requests = {op: n for op, n in stats["requests"].items() if op != "other"}
    return {
        "requests_per_message": sum(requests.values()) / count,
        "requests": requests,
        "wire_bytes_per_message": stats["bytes"] / count,
    }


def run_all(stack):
    """Every measurement, as a JSON-able mapping."""
    python = peers_python()
    results = {"send": {}, "consume": {}, "queues": {}, "idle": {}}
    for count, latency in CONDITIONS:
        key = f"{latency * 1000:.0f} ms"
        for action, names, measure in (
            ("send", SENDERS, measure_send),
            ("consume", CONSUMERS, measure_consume),
        ):
            for name in names:
                figures = measure(stack, python, name, count, latency)
                print(f"{action} {key} {name}: {_short(figures)}", flush=True)
                results[action].setdefault(key, {})[name] = figures
    for queues in (1, 5, 50):
        for name in ("django-sqs", "django-sqs, 10 threads"):
            figures = measure_consume(stack, python, name, 1_000, 0.0, queues)
            print(f"{queues} queues {name}: {_short(figures)}", flush=True)
            results["queues"].setdefault(str(queues), {})[name] = figures
        figures = measure_idle(stack, python, "django-sqs", queues)
        print(f"idle {queues} queues: {figures}", flush=True)
        results["idle"][str(queues)] = figures
    return results


def _short(figures):
    if not figures:
        return "-"
    return (
        f"{figures['per_second']:.0f}/s, {figures['cpu_us']:.0f} us, "
        f"{figures['requests_per_message']:.2f} requests, {figures['rss_mb']:.0f} MB"
    )
