"""Messages through every policy, out of the dead letters, and back: each is accounted for.

``FAULTS=long`` has 10,000 of them.
"""

import threading
import time
from collections import Counter

import pytest

import django_sqs
from django_sqs.failures.choices import CHOICES
from django_sqs.failures.models import Failure, FailureGroup, State
from django_sqs.failures.noting import FailureNotes
from django_sqs_kombu import RawMessage, ReceiverConsumer

from ..django_sqs.commands import run
from .conftest import LONG
from .fates import KINDS, POLICIES, TRIES, Fates

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGES, PATIENCE = (10_000, 600) if LONG else (200, 90)


@pytest.fixture
def noting(settings, steady_server, prefix):
    """This process's project on a server that is quick; its failures are noted."""
    settings.SQS_ENDPOINT_URL = f"http://127.0.0.1:{steady_server}"
    settings.SQS_QUEUE_PREFIX = prefix
    receivers = django_sqs.receivers
    receivers.close()
    registered, notes = dict(receivers.queues), FailureNotes()
    receivers.middleware.append(notes)
    yield
    receivers.middleware.remove(notes)
    receivers.queues.clear()
    receivers.queues.update(registered)
    receivers.close()


@pytest.fixture
def left(direct, prefix):
    """How many messages a queue has."""

    def left(name):
        url = direct.get_queue_url(QueueName=f"{prefix}__{name}")["QueueUrl"]
        answer = direct.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        kinds = ("", "NotVisible", "Delayed")
        return sum(int(answer[f"ApproximateNumberOfMessages{kind}"]) for kind in kinds)

    return left


def consume(queue, done):
    """Receive until *done* says so; what is noted is written by then."""
    consumer = ReceiverConsumer(django_sqs.receivers, [queue], threads=4)
    running = threading.Thread(target=consumer.run, daemon=True)
    running.start()
    deadline = time.monotonic() + PATIENCE
    while not done() and time.monotonic() < deadline:
        time.sleep(0.2)
    consumer.stop()
    running.join(30)
    assert not running.is_alive()
    assert done()


def click(choice):
    """Decide about all that waits, as the admin does: some at a click."""
    clicks = 0
    while rows := Failure.objects.filter(state=State.WAITING).count():
        decided = CHOICES[choice].run(Failure.objects.all(), "root", None)
        assert decided.done, f"{rows} wait: {decided.why}"
        clicks += 1
    return clicks


def test_every_message_comes_to_its_end_and_back_by_the_admins_click(noting, left):
    fates = Fates()
    options = {**POLICIES, "message_class": RawMessage, "wire_format": "raw"}
    queue = django_sqs.register("accounted", fates, dead_letter_queue="accounted-dead", **options)
    bodies = [f"{KINDS[number % len(KINDS)]}-{number}" for number in range(MESSAGES)]
    of = {kind: {body for body in bodies if body.startswith(kind)} for kind in KINDS}
    dead = of["bad"] | of["hopeless"]
    queue.send_many(bodies)
    fates.accepted = set(bodies)

    consume(queue, lambda: left("accounted") == 0)
    assert fates.done == of["plain"] | of["flaky"]
    assert left("accounted-dead") == len(dead)
    # Each failed delivery has its row.
    rows = Counter(Failure.objects.values_list("text", flat=True))
    times = {"plain": 0, "flaky": 1, "moot": 1, "bad": 1, "hopeless": TRIES}
    assert rows == Counter(
        {body: times[kind] for kind in times for body in of[kind] if times[kind]}
    )
    assert set(
        Failure.objects.filter(state=State.DISCARDED).values_list("text", flat=True)
    ) == of["moot"]  # fmt: skip

    run("sqs_bury", "accounted", f"--limit={MESSAGES}")
    waiting = Failure.objects.filter(state=State.WAITING).values_list("text", flat=True)
    assert sorted(waiting) == sorted(dead)
    assert sum(group.waiting for group in FailureGroup.objects.all()) == len(dead)
    assert left("accounted-dead") == 0

    # Back, when the fault is fixed.
    fates.healed = True
    assert click("send") <= len(dead) // 1_000 + 1
    consume(queue, lambda: left("accounted") == 0)

    assert fates.done == set(bodies) - of["moot"]
    assert not fates.lost
    assert not fates.twice
    assert Failure.objects.filter(state=State.SENT).count() == len(dead)
    assert not FailureGroup.objects.exclude(waiting=0).exists()
