"""Page: the client's figures for the documentation, in tables that a narrow screen holds."""

from ..grid import grid
from .text import value_of

HEAD = """\
What a client costs by itself
-----------------------------

SQS can answer more requests than any client makes, so what matters is the client: its CPU, and how
well it hides the time that a request takes.  ``python -m benchmarks client`` measures this in
about a minute on an idle machine, against a stub that always has messages, and compares it with a
loop over boto3 that receives ten messages and deletes them.  Each contender is a process of its
own; all are started once and then measured in turns, so that other load on the machine affects all
of them.  ``x`` is the median of the ratios of the turns; beside it are the figures of this library
and of boto3.  Sending one by one and from 8 threads is compared with ``send_message``;
``send_many`` with ``send_message_batch``.  The goals are our own.

``--long`` adds more receivers that take their time, FIFO queues that return many messages of a
group, and a Celery worker with ten threads on this library's transport, as the ratio to one on
kombu's own; ``--quick`` measures for a shorter time; ``--only consume,send`` measures only these
sections; ``--json`` prints all results, with the versions, the machine and the date; ``--store``
writes this page from them.  The stub can also be run alone:
``python -m benchmarks.stub --port 9324 --latency 0.02``; its docstring says how to query and
configure it.

"""
#: By how a figure's name begins: the section that it stands in, and what is left out of the name.
SECTIONS = (
    ("receive, ", "Receiving and deleting", True),
    ("memory", "Memory", False),
    ("part: ", "The parts of a message's way", True),
    ("all parts", "The parts of a message's way", False),
    ("receivers of ", "Receivers that take their time", True),
    ("FIFO, 100 groups, receivers of 50 ms, 20 ms, 10 threads", "FIFO queues", False),
    ("send", "Sending by the client alone", False),
    ("1,000 idle queues: ", "1,000 idle queues", True),
    ("50 full queues: ", "50 full queues", True),
    ("500 full queues: ", "500 full queues", True),
    ("django.tasks, ", "Django's tasks", True),
    ("Celery, ", "Celery on this transport", True),
)


def client_sections(results):
    """The part of the page, of what :func:`.program.run` returned."""
    tables = {}
    for figure in results["figures"]:
        title, what = _place(figure["what"])
        tables.setdefault(title, []).append([what, _seen(figure), _goal(figure)])
    yield HEAD
    for title, rows in tables.items():
        yield f"{title}\n{'~' * len(title)}\n\n{_table(rows)}\n"


def _place(what):
    for start, title, cut in SECTIONS:
        if what.startswith(start):
            return title, what.removeprefix(start) if cut else what
    return "Others", what


def _seen(figure):
    """A figure, and what it was made of."""
    return f"{value_of(figure)} ({figure['seen']})" if figure["seen"] else value_of(figure)


def _goal(figure):
    if figure["goal"] is None:
        return ""
    return f"{figure['goal']}: {'met' if figure['met'] else 'missed'}"


def _table(rows):
    """The columns that have anything in them."""
    rows = [["what", "figure", "goal"], *rows]
    filled = [n for n in range(3) if any(row[n] for row in rows[1:])]
    return grid([[row[n] for n in filled] for row in rows])
