"""The front page's figures, of what the benchmarks have stored."""

from benchmarks.grid import grid

#: What is added to each request: about what SQS takes to answer within its region.
LATENCY = "20 ms"
OURS, CELERY = "django-sqs, 10 threads", "Celery, 10 threads"


def requests_of(results):
    """Requests a message: a send, send_many, a receive with its delete; then Celery's two."""
    sent, consumed = results["send"][LATENCY], results["consume"][LATENCY]
    found = (
        *(sent[name] for name in ("django-sqs", "django-sqs, send_many")),
        consumed[OURS],
        *(sent[CELERY], consumed[CELERY]),
    )
    return [figures["requests_per_message"] for figures in found]


def front_figure(results):
    """The figure in a sentence, for the first screen."""
    single, many, received, celery_sends, celery_receives = requests_of(results)
    ours, celery = (results["consume"][LATENCY][name]["per_second"] for name in (OURS, CELERY))
    alone, together, theirs = shown(
        single + received, many + received, celery_sends + celery_receives
    )
    return (
        f"Sent one at a time, a message costs {alone} requests in all, and {together} with "
        f"``send_many``; with Celery {theirs}.  "
        f"A process with 10 threads, {LATENCY} from SQS, receives {ours / celery:.0f} times as "
        "many messages a second as Celery's, from a full queue.\n"
    )


def front_table(results):
    """The same figures, each with what it is of."""
    single, many, received, celery_sends, celery_receives = requests_of(results)
    rows = [
        ["requests a message", "django-sqs", "Celery on SQS"],
        ["sent by ``send``, one at a time", *shown(single, celery_sends)],
        ["sent by ``send_many``, or in a ``batch()``", *shown(many), "has none"],
        ["received and deleted, from a full queue", *shown(received, celery_receives)],
        [
            "in all",
            " or ".join(shown(single + received, many + received)),
            *shown(celery_sends + celery_receives),
        ],
    ]
    return f"{grid(rows)}\n"


def shown(*figures):
    """Figures of requests, with one decimal."""
    return [f"{figure:.1f}" for figure in figures]
