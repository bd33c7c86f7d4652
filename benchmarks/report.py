"""The table of the benchmark's results, in reStructuredText."""

from django_sqs.operations.bench import DOLLARS_PER_MILLION

from .client.text import text
from .grid import grid

HEAD = """\
Benchmarks
==========

Made by ``make bench``; the figures are those of ``benchmarks/results.json``.  All contenders
ran one after the other on one machine, against ministack on 127.0.0.1 behind a proxy that
counts requests and adds latency.  A no-op handler, 8 bytes of payload.  Timings are noisy:
compare rows of one table.  CPU is the client's; peak memory is that of its process.

"""
CLIENT_HEAD = """\
What a client costs by itself
-----------------------------

SQS answers more requests than any client asks, so what counts is the client: its CPU, and how
well it hides the time that a request takes.  ``python -m benchmarks client`` measures that within
about a minute on an idle machine, against a stub that always has messages, beside a loop of boto3
that receives ten messages and deletes them.  Each contender is a process of its own; all are
started once and then measured in turns, so that whatever else the machine does strikes all.
``x`` is the median of the ratios of the turns, and beside it stands what was seen of this library
and of boto3.  One by one and from 8 threads, sending is compared with ``send_message``;
``send_many`` with ``send_message_batch``.  The goals are ours.

``--long`` adds more receivers that take their time, FIFO queues that hand out many of a group, and
a Celery worker with ten threads on this library's transport, as the ratio to one on kombu's own;
``--quick`` looks less long; ``--only consume,send`` measures these sections; ``--json`` prints all
that was measured, with the versions, the machine and the date; ``--store`` makes this page of it.
The stub can be run alone, too: ``python -m benchmarks.stub --port 9324 --latency 0.02``; its
docstring says how it is asked and set.

"""
COLUMNS = (
    ("messages/s", "per_second", "{:.0f}"),
    ("requests/message", "requests_per_message", "{:.2f}"),
    ("CPU us/message", "cpu_us", "{:.0f}"),
    ("peak MB", "rss_mb", "{:.0f}"),
    ("bytes/message sent", "wire_bytes_per_message", "{:.0f}"),
)


def table(results, client):
    """The whole page, of what is stored of all contenders, and of the client's costs."""
    parts = [HEAD]
    for action, title in (("send", "Sending"), ("consume", "Receiving and deleting")):
        for latency, rows in results[action].items():
            parts.append(_section(f"{title}, {latency} added to each request", rows))
    for queues, rows in results["queues"].items():
        parts.append(_section(f"Receiving from {queues}", rows))
    parts.append(_section("A full queue beside empty ones, 20 ms", results["full"]))
    parts.append(_idle(results["idle"]))
    parts.append(CLIENT_HEAD + text(client))
    return "\n".join(parts)


def _section(title, rows):
    header = ["contender", *(name for name, _, _ in COLUMNS)]
    body = [
        [name, *(_cell(figures, key, form) for _, key, form in COLUMNS)]
        for name, figures in rows.items()
    ]
    return f"{title}\n{'-' * len(title)}\n\n{grid([header, *body])}\n"


def _idle(rows):
    title = "Idle"
    header = ["contender", "queues", "polls/minute and queue", "peak MB"]
    body = [
        [
            name,
            queues,
            _cell(figures, "per_minute_per_queue", "{:.1f}"),
            _cell(figures, "rss_mb", "{:.0f}"),
        ]
        for queues, contenders in rows.items()
        for name, figures in contenders.items()
    ]
    return f"{title}\n{'-' * len(title)}\n\n{grid([header, *body])}\n"


def _cell(figures, key, form):
    value = (figures or {}).get(key)
    return "-" if value is None else form.format(value)


#: The requests of a month that cost nothing.
FREE = 1_000_000
MINUTES = 60 * 24 * 30
#: Requests a minute on an idle queue whose polls rest for 300 s.
RESTING = 12 / 60


def cost_table(results):
    """What a month costs: messages and idle queues, by the requests that were counted."""
    contenders = {
        "Celery": _counted(results, "Celery, 10 threads", "Celery, 10 threads"),
        "send": _counted(results, "django-sqs", "django-sqs, 10 threads"),
        "send_many": _counted(results, "django-sqs, send_many", "django-sqs, 10 threads"),
    }
    contenders["send_many, resting"] = (contenders["send_many"][0], RESTING)
    header = ["messages a month", "idle queues", *contenders]
    body = [
        [f"{messages:,}", str(queues), *(_bill(messages, queues, *c) for c in contenders.values())]
        for messages in (0, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
        for queues in (1, 20, 100)
    ]
    facts = "; ".join(
        f"{name}: {each:.2f} requests a message, {idle:.1f} a minute and idle queue"
        for name, (each, idle) in contenders.items()
    )
    return f"{grid([header, *body])}\n\n{facts}.\n"


def _counted(results, sender, receiver):
    each = (
        results["send"]["20 ms"][sender]["requests_per_message"]
        + results["consume"]["20 ms"][receiver]["requests_per_message"]
    )
    return each, results["idle"]["1"][receiver]["per_minute_per_queue"]


def _bill(messages, queues, each, idle):
    requests = messages * each + queues * idle * MINUTES
    return f"${max(0.0, requests - FREE) * DOLLARS_PER_MILLION / 1_000_000:,.2f}"
