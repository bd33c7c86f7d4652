"""Costs: what messages and idle queues cost at SQS's price, of the requests that were counted."""

from django_sqs.operations.bench import DOLLARS_PER_MILLION

from .grid import grid

#: Minutes of a month of 30 days, and messages that a month's bill is made out for.
MINUTES, MILLION = 60 * 24 * 30, 1_000_000
#: Looks a minute whether an idle queue is paused (docs/howto/operating.rst).
LOOKS = 1
#: Requests a minute of a queue whose polls and looks rest for 300 s: 12 polls an hour, 12 looks.
RESTING = 24 / 60
#: The operations of which each message costs some.
SENDING = ("SendMessage", "SendMessageBatch")
RECEIVING = ("ReceiveMessage", "DeleteMessage", "DeleteMessageBatch")
#: How many messages are sent one at a time, where that is measured.
SINGLES = 20


def ways(results):
    """How messages can go, and the requests of each: (for sending, for receiving and deleting)."""
    cost, celery = results["cost"], "Celery, 10 threads"
    full = cost["receive and delete, a full queue"]
    single = cost["receive and delete, one at a time"]
    stored = results["send"]["20 ms"][celery], results["consume"]["20 ms"][celery]
    sent, received = (_recurring(each) for each in stored)
    return {
        "in bulk": (cost["send_many"], full),
        "send, 8 threads": (cost["send, 8 threads"], full),
        "send": (cost["send"], full),
        "send, rare": (cost["send"], single),
        "Celery": (sent, received),
        "Celery, rare": (sent, single_each(results["single"][celery]["requests"])),
    }


def each(requests, count):
    """The requests that a message costs; what a queue costs once is left out."""
    return sum(requests.get(name, 0) for name in (*SENDING, *RECEIVING)) / count


def single_each(requests, count=SINGLES):
    """The same where messages came one at a time: the last poll found none."""
    return each({**requests, "ReceiveMessage": requests["ReceiveMessage"] - 1}, count)


def _recurring(stored):
    count = round(sum(stored["requests"].values()) / stored["requests_per_message"])
    return each(stored["requests"], count)


def message_table(results):
    """Requests a message, and what a million of them cost."""
    rows = [["way", "sent", "received", "all", "million"]]
    for name, (send, receive) in ways(results).items():
        total = send + receive
        dollars = f"${total * DOLLARS_PER_MILLION:.2f}"
        rows.append([name, f"{send:.1f}", f"{receive:.1f}", f"{total:.1f}", dollars])
    return grid(rows)


def idle_table(results):
    """Requests of an idle queue, and what a month of them costs."""
    idle = results["idle"]["1"]
    kinds = {
        "this library": idle["django-sqs"]["per_minute_per_queue"] + LOOKS,
        "with SQS_POLL_MAX_IDLE = 300": RESTING,
        "Celery": idle["Celery, 10 threads"]["per_minute_per_queue"],
    }
    rows = [["an idle queue", "requests an hour", "a month"]]
    for name, each in kinds.items():
        dollars = f"${each * MINUTES * DOLLARS_PER_MILLION / MILLION:.3f}"
        rows.append([name, f"{each * 60:.0f}", dollars])
    return grid(rows)


def cost_tables(results):
    """Both tables, for the documentation."""
    return f"{message_table(results)}\n\n{idle_table(results)}\n"
