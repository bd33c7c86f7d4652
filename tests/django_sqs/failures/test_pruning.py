"""What is pruned is old when it is deleted, not only when it was looked for."""

import contextlib
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connections, router
from django.utils import timezone

from django_sqs.failures.models import Failure, FailureGroup, State
from django_sqs.failures.writing import write_all

from ..commands import as_json

pytestmark = pytest.mark.django_db(transaction=True)

OLD = timedelta(days=40)


def failure(number, state=State.WAITING, age=timedelta(0)):
    name = f"f-{number}"
    return Failure(
        state=state,
        queue_name="plain",
        full_name="plain",
        message_id=name,
        receipt=name,
        body="x",
        failed_at=timezone.now() - age,
    )


@pytest.fixture
def using(site):
    return router.db_for_write(Failure)


@contextlib.contextmanager
def just_after_a_look(using, table, act):
    """Have another process act as soon as *table* was looked through for what is to be deleted."""
    acts = [act]

    def wrapper(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if acts and sql.startswith("SELECT") and f"FROM {quoted(table)}" in sql:
            acts.pop()()
        return result

    def quoted(name):
        return connections[using].ops.quote_name(name)

    with connections[using].execute_wrapper(wrapper):
        yield
    assert not acts


def test_a_dead_letter_that_is_taken_out_of_sqs_meanwhile_is_kept(using):
    write_all(using, [("m", failure(1, State.IN_QUEUE, OLD)), ("m", failure(2, State.SENT, OLD))])

    def bury():
        Failure.objects.using(using).filter(message_id="f-1").update(state=State.WAITING)

    with just_after_a_look(using, Failure._meta.db_table, bury):
        assert as_json("sqs_prune_failures") == {"deleted": 1}

    assert Failure.objects.using(using).get().message_id == "f-1"


def test_a_message_that_fails_as_the_last_like_it_was_pruned_is_kept(using):
    write_all(using, [("m", failure(1, State.SENT, OLD)), ("n", failure(2, State.SENT, OLD))])
    Failure.objects.using(using).all().delete()

    def fail():
        write_all(using, [("m", failure(3))])

    with just_after_a_look(using, FailureGroup._meta.db_table, fail):
        call_command("sqs_prune_failures")

    assert Failure.objects.using(using).get().message_id == "f-3"
    assert FailureGroup.objects.using(using).get().fingerprint == "m"


def test_a_message_that_fails_as_those_that_wait_are_counted_anew_is_counted(using):
    write_all(using, [("m", failure(1, age=OLD)), ("m", failure(2))])

    def fail():
        write_all(using, [("m", failure(3))])

    with just_after_a_look(using, FailureGroup._meta.db_table, fail):
        assert as_json("sqs_prune_failures", "--waiting") == {"deleted": 1}

    assert FailureGroup.objects.using(using).get().waiting == 2
