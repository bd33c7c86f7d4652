"""Conclusion: what the page says first, of the figures that are stored."""

from .costs import ways

CELERY, TEN = "Celery, 10 threads", "django-sqs, 10 threads"
TEXT = """\
- **Requests.**  The cost of a message depends on how it is sent, and on whether others are waiting
  with it: {many:.1f} requests with ``send_many`` or ``batch()`` and a full queue; {send:.1f} with a
  plain ``send`` and a full queue; {rare:.1f} if messages come one at a time.  Celery on Kombu's own
  transport: {celery:.1f}, and {celery_rare:.1f} if they come one at a time.
- **CPU.**  At 20 ms a request, receiving and deleting a message takes ten threads {ours_us:.0f} us,
  and a Celery worker with ten threads {celery_us:.0f} us: {times:.0f} times as much.  The client
  alone takes {cpu:.2f} of the CPU of a loop over boto3 that receives and deletes ten at a time
  ({cpu_seen}).
- **Speed.**  At 20 ms a request, ten threads receive {speed:.0f} times as many messages a second as
  that loop, because many requests are under way at once ({speed_seen}), and {faster:.0f} times as
  many as a Celery worker with ten threads, both measured beside other work on the same machine.
- **Where it is not ahead.**  Memory: a worker takes {memory:.0f} MB ({memory_seen}).  A task of
  Django's Tasks framework costs {tasks:.1f} times the CPU of a message in that loop.  If messages
  come one at a time, they cannot share requests.  Of our own {goals} goals, {missed} are missed;
  they are marked below.
"""


def conclusion(results, client):
    """The conclusion, in reStructuredText."""
    requests = {name: sum(parts) for name, parts in ways(results).items()}
    ours, celery = (results["consume"]["20 ms"][name] for name in (TEN, CELERY))
    found = {figure["what"]: figure for figure in client["figures"]}
    cpu = found["receive, 20 ms, 10 threads: CPU a message"]
    speed = found["receive, 20 ms, 10 threads: messages/s"]
    memory = found["memory, one queue"]
    return TEXT.format(
        many=requests["in bulk"],
        send=requests["send"],
        rare=requests["send, rare"],
        celery=requests["Celery"],
        celery_rare=requests["Celery, rare"],
        ours_us=ours["cpu_us"],
        celery_us=celery["cpu_us"],
        times=celery["cpu_us"] / ours["cpu_us"],
        faster=ours["per_second"] / celery["per_second"],
        cpu=cpu["value"],
        cpu_seen=cpu["seen"],
        speed=speed["value"],
        speed_seen=speed["seen"],
        memory=memory["value"],
        memory_seen=memory["seen"],
        tasks=found["django.tasks, worker: CPU a task"]["value"],
        goals=sum(figure["met"] is not None for figure in client["figures"]),
        missed=sum(figure["met"] is False for figure in client["figures"]),
    )
