"""Report: the page of the documentation about benchmarks, in reStructuredText."""

from .charts import bars
from .client.page import client_sections
from .conclusion import conclusion
from .costs import message_table, ways
from .grid import grid
from .made import made_with, quiet

HEAD = """\
Benchmarks
==========

In short
--------

{conclusion}
{messages}

*In bulk* means by ``send_many``, ``batch()`` or the outbox; *received* means received and deleted;
*million* is the price of a million messages.  From a full queue, ten messages are received in a
request, and ten are deleted in one.  *Rare* messages come one at a time, each in a receive and a
delete of its own.  For the cost of an idle queue, see :doc:`howto/cost`.

Requests for each message, to send and to receive it:

.. raw:: html
   :file: _generated/requests.svg

CPU for each message in microseconds, receiving and deleting at 20 ms a request:

.. raw:: html
   :file: _generated/cpu.svg

Memory of the receiving process, in MB:

.. raw:: html
   :file: _generated/memory.svg

How to repeat it
----------------

=====================================  =====================================================
command                                what it measures
=====================================  =====================================================
``python -m benchmarks cost``          requests of a message and of an idle queue: a minute
``python -m benchmarks``               all contenders: some minutes; ``--only send,consume``
                                       only these (send, consume, single, queues, full, idle)
``python -m benchmarks client``        what the client costs: a minute; ``--long``: also
                                       Celery
``python -m benchmarks.beside``        the same feature with Celery, dj-queue and this
                                       library: :doc:`beside`
``python -m benchmarks tasks``         what stored results cost a task
``python -m benchmarks connections``   what keeping database connections open saves
``python -m benchmarks.batches``       rows written in batches: :doc:`howto/batches`
``python -m benchmarks.coroutines``    receivers that wait: :doc:`howto/coroutines`
``manage.py sqs_bench``                your own account and network
=====================================  =====================================================

``python -m benchmarks`` writes this page from its results; so do ``cost`` and ``client`` with
``--store``.

{made}
"""
CONTENDERS_HEAD = """\
All contenders
--------------

They ran one after the other on one machine, against ministack on 127.0.0.1 behind a proxy that
counts requests and adds latency, with a handler that does nothing and 8 bytes of payload.  *CPU* is
the client's, in microseconds for each message; *MB* is the maximum memory of its process.  Requests
are counted, and are the same each time; CPU varies by a third from run to run, so only compare rows
of one table.

"""
BUSY = """\
The machine was busy with other work, so messages a second are left out here; the next part shows
what a client is capable of, measured in turns.

"""
IDLE = """\
Polls a minute for each queue.  This library also checks once a minute whether a queue is paused.
-: too few to tell.

"""
COLUMNS = (
    ("requests", "requests_per_message", "{:.2f}"),
    ("CPU", "cpu_us", "{:.0f}"),
    ("MB", "rss_mb", "{:.0f}"),
)
SPEED = ("messages/s", "per_second", "{:.0f}")


def table(results, client):
    """The whole page, of what is stored of all contenders, and of the client's costs."""
    head = HEAD.format(
        conclusion=conclusion(results, client),
        messages=message_table(results),
        made=made_with([*results["about"].values(), client]),
    )
    return "\n".join([head, *_contenders(results), *client_sections(client)])


def charts(results):
    """The page's charts, by the name of their file."""
    receiving = results["consume"]["20 ms"]
    return {
        "requests.svg": bars(
            "Requests a message", ways(results), ("send", "receive, delete"), "{:.1f}"
        ),
        "cpu.svg": bars("CPU a message in us", _of(receiving, "cpu_us"), form="{:.0f}"),
        "memory.svg": bars("Memory in MB", _of(receiving, "rss_mb"), form="{:.0f}"),
    }


def _of(rows, key):
    return {name: (figures[key],) for name, figures in rows.items() if figures}


def _contenders(results):
    abouts = results["about"]
    calm = all(quiet(abouts[name]) for name in ("send", "consume", "queues") if name in abouts)
    columns = (SPEED, *COLUMNS) if calm else COLUMNS
    yield CONTENDERS_HEAD + ("" if calm else BUSY)
    for action, title in (("send", "Sending"), ("consume", "Receiving and deleting")):
        for latency, rows in results[action].items():
            yield _section(f"{title}, {latency} added to each request", rows, columns)
    for queues, rows in results["queues"].items():
        yield _section(f"Receiving from {queues}", rows, columns)
    yield _section("A full queue beside empty ones, 20 ms", results["full"], columns)
    yield _idle(results["idle"])


def _section(title, rows, columns):
    body = [
        [name, *(_cell(figures, key, form) for _, key, form in columns)]
        for name, figures in rows.items()
    ]
    header = ["contender", *(name for name, _, _ in columns)]
    return f"{title}\n{'~' * len(title)}\n\n{grid([header, *body])}\n"


def _idle(rows):
    title = "Idle"
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
    table = grid([["contender", "queues", "polls", "MB"], *body])
    return f"{title}\n{'~' * len(title)}\n\n{IDLE}{table}\n"


def _cell(figures, key, form):
    value = (figures or {}).get(key)
    return "-" if value is None else form.format(value)
