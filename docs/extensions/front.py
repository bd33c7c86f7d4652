"""The front page's figures, of what the benchmarks have stored."""

from benchmarks.costs import ways
from benchmarks.grid import grid

#: What is added to each request: about what SQS takes to answer within its region.
LATENCY = "20 ms"
OURS, CELERY = "django-sqs, 10 threads", "Celery, 10 threads"


def requests_of(results):
    """All requests that a message costs, by the way that it goes."""
    return {name: f"{send + receive:.1f}" for name, (send, receive) in ways(results).items()}


def front_figure(results):
    """The figure in two sentences, for the first screen."""
    requests = requests_of(results)
    ours, celery = (results["consume"][LATENCY][name]["per_second"] for name in (OURS, CELERY))
    return (
        f"On a busy queue a message costs {requests['send']} requests in all, and "
        f"{requests['in bulk']} if it is sent in bulk; with Celery {requests['Celery']}.  A "
        f"process with 10 threads, {LATENCY} from SQS, receives {ours / celery:.0f} times as many "
        "messages a second as Celery's.\n"
    )


def front_table(results):
    """The same figures, each with what it is of."""
    requests = requests_of(results)
    rows = [
        ["requests per message, sent, received and deleted", "django-sqs", "Celery on SQS"],
        ["``send_many``, ``batch()`` or the outbox", requests["in bulk"], "has none"],
        ["``send`` in 8 threads", requests["send, 8 threads"], requests["Celery"]],
        ["``send``, one after another", requests["send"], requests["Celery"]],
        ["rare messages, each alone", requests["send, rare"], requests["Celery, rare"]],
    ]
    return f"{grid(rows)}\n"
