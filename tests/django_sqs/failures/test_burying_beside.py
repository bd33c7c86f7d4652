"""``runreceiver --bury`` as real processes: dead letters leave SQS for the database."""

import signal
import time

import pytest
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.slow


@pytest.fixture
def shop(project):
    """The project with all tables, where failures are noted."""
    project.database.unlink(missing_ok=True)
    project.env["TEST_FAILURES"] = "yes"
    project.migrate()
    return project


@pytest.fixture
def dead(sqs, prefix):
    """Put messages into the dead-letter queue of a queue of the project."""

    def dead(*bodies):
        url = sqs.create_queue(QueueName=f"{prefix}__tried-dead")["QueueUrl"]
        for body in bodies:
            sqs.send_message(QueueUrl=url, MessageBody=body)

    return dead


def kept(project):
    """What the database has: (state, error), in order."""
    statement = "SELECT state, error FROM django_sqs_failures_failure ORDER BY id"
    rows = project.rows("django_sqs_failures", statement)
    return [(row["state"], row["error"]) for row in rows]


def send(project, body):
    done = project.run("shell", "-c", f"import django_sqs; django_sqs.send('tried', body='{body}')")
    assert done.popen.returncode == 0, done.output


@pytest.mark.parametrize("processes", [1, 2])
def test_dead_letters_are_taken_out_of_sqs_beside_the_receivers(
    shop, dead, counts, prefix, eventually, processes
):
    send(shop, "makes the queues")
    worker = shop.start("runreceiver", "tried")
    eventually(lambda: counts(f"{prefix}__tried-dead")[0] == 1, timeout=40)
    worker.signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    # Each of two tries is noted, the last of which SQS has still.
    assert [state for state, _ in kept(shop)] == ["in_queue"] * 2
    dead(*(f"dead {number}" for number in range(24)))

    worker = shop.start("runreceiver", "tried", "--bury", f"--processes={processes}")
    eventually(lambda: counts(f"{prefix}__tried-dead") == (0, 0, 0), timeout=40)
    eventually(
        lambda: "25 dead letters of queue tried were stored in the database" in worker.output
    )
    send(shop, "while it buries")
    eventually(lambda: len(kept(shop)) == 28, timeout=30)
    # It was looked for dead letters just now, so the last one stays until the stop.
    eventually(lambda: sum(counts(f"{prefix}__tried-dead")) == 1, timeout=30)
    worker.signal(signal.SIGTERM)
    assert worker.wait(20) == 0

    # At the stop the other process may have its turn for a moment, and take the last one.
    last = sum(counts(f"{prefix}__tried-dead"))
    states = [state for state, _ in kept(shop)]
    # What was known of waits now, and the others with what SQS says of them.
    assert states.count("waiting") == 26 - last
    assert states.count("in_queue") == 2 + last
    told = [error for _, error in kept(shop) if error.startswith("SQS moved it")]
    assert len(told) == 24


def test_without_the_option_dead_letters_stay(shop, dead, counts, prefix, eventually):
    dead("one", "two")
    worker = shop.start("runreceiver", "tried")
    eventually(lambda: "Receiving from" in worker.output, timeout=40)
    time.sleep(4)
    worker.signal(signal.SIGTERM)

    assert worker.wait(20) == 0
    assert counts(f"{prefix}__tried-dead") == (2, 0, 0)
    assert kept(shop) == []


def test_what_cannot_be_deleted_is_not_kept_twice_and_receivers_go_on(
    shop, dead, server, prefix, eventually
):
    send(shop, "makes the queues")
    fault = "DeleteMessageBatch", f"{prefix}__tried-dead"
    server.faults[fault] = (500, "InternalError")
    dead("one", "two")
    worker = shop.start("runreceiver", "tried", "--bury")
    eventually(lambda: "could not be taken out of SQS, trying again" in worker.output, timeout=60)
    # A look that a locked database ends, as on a busy machine, is followed by one a minute later.
    eventually(lambda: len([s for s, _ in kept(shop) if s == "waiting"]) >= 2, timeout=90)
    # On a busy machine the dead letters may be the first.
    eventually(lambda: shop.bodies("tried"))
    worker.signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    before = [error for _, error in kept(shop) if error.startswith("SQS moved it")]
    del server.faults[fault]

    done = shop.run("sqs_bury", "tried")

    assert done.popen.returncode == 0, done.output
    assert [error for _, error in kept(shop) if error.startswith("SQS moved it")] == before
    assert shop.bodies("tried")


def test_without_the_app_the_option_is_refused(site):
    site.INSTALLED_APPS = [app for app in site.INSTALLED_APPS if "FailuresConfig" not in app]

    with pytest.raises(CommandError, match=r"--bury needs 'django_sqs\.failures'"):
        call_command("runreceiver", "plain", bury=True)
