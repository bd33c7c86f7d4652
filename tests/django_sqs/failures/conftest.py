"""Fixtures: failures of this process's queues are noted, on the test server."""

import pytest

import django_sqs
from django_sqs.failures.noting import FailureNotes


@pytest.fixture(autouse=True)
def noting(site):
    """Note failures, as runreceiver does where the app is installed."""
    django_sqs.receivers.close()
    notes = FailureNotes()
    django_sqs.receivers.middleware.append(notes)
    yield notes
    django_sqs.receivers.middleware.remove(notes)
    django_sqs.receivers.close()


@pytest.fixture
def work():
    """Receive single messages until none comes; what receivers raise is swallowed."""

    def work(name, most=1000):
        queue, count = django_sqs.queues[name], 0
        while count < most:
            try:
                if queue.receive_single() is None:
                    return count
            except Exception:
                pass
            count += 1
        return count

    return work


@pytest.fixture
def seen():
    """What the receiver of :func:`mend` got: body, id, attributes and the message itself."""
    return []


@pytest.fixture
def mend(seen):
    """Register a receiver that fails until it is mended."""
    state = {"broken": True}

    def mend(name, **options):
        def receive(message):
            if state["broken"]:
                raise ValueError("broken")
            seen.append((message.get_body(), message.id, dict(message.message_attributes), message))

        django_sqs.register(name, receive, **options)
        return lambda: state.update(broken=False)

    return mend
