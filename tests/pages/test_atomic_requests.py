"""Pages that send in a project with ATOMIC_REQUESTS: what was done is not rolled back."""

import pytest

pytestmark = pytest.mark.slow

ENVIRONMENT = {"TEST_FAILURES": "yes", "TEST_TASKS": "1"}

#: Somebody who has logged in.
VISIT = """
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from django.utils import timezone
from django_sqs.written import written
now = timezone.now()
for each in connections.all():
    each.settings_dict["ATOMIC_REQUESTS"] = True
client = Client()
client.force_login(User.objects.get(username="root"))
"""
#: A failed message, a page that sends it again, and a process that is ended in the midst of it.
ENDED = """
import django_sqs
from django_sqs.failures import choices
from django_sqs.failures.models import Failure, FailureGroup
name = django_sqs.queues["plain"].full_name()
group, _ = FailureGroup.objects.get_or_create(
    fingerprint="atomic", queue_name="plain", defaults={"first_seen": now, "last_seen": now})
row = Failure.objects.create(
    group=group, queue_name="plain", full_name=name, message_id="a", receipt="RECEIPT", body="x",
    failed_at=now)
sent = []
def ask(patience, name, question):
    sent.append(question())
    raise SystemExit
choices.ask_within = ask
try:
    client.post(f"/admin/django_sqs_failures/PAGE
except SystemExit:
    pass
print(f"{len(sent)} sent, then {written(Failure).get(pk=row.pk).state}")
"""
PAGES = {
    "its own": 'failure/{row.pk}/decide/send/", {"confirmed": "yes"})',
    "that of its group": 'failuregroup/{group.pk}/decide/send/", {"confirmed": "yes"})',
    "the list": 'failure/", {"action": "send_selected", "_selected_action": row.pk})',
}


@pytest.mark.parametrize("page", PAGES)
def test_a_message_that_was_sent_does_not_wait_again_as_the_process_is_ended(page, site):
    code = VISIT + ENDED.replace("RECEIPT", page).replace("PAGE", PAGES[page])
    said = site.project.run("shell", "-v0", "-c", code).output

    assert "1 sent, then sending" in said


TASK = """
from django_sqs.results.models import TaskRecord
task = {"status": "FAILED", "task": "tests.site.shop.tasks.add", "backend": "default"}
more = {"queue_name": "default", "args": [1, 2], "enqueued_at": now}
row = TaskRecord.objects.create(id="atomic", **task, **more)
page = "/admin/django_sqs_results/taskrecord/"
chosen = {"action": "enqueue_again", "_selected_action": row.pk}
print(client.post(page, chosen, follow=True).content.decode())
"""


def test_a_task_that_sqs_has_not_taken_is_not_told_as_enqueued(site):
    away = {"TEST_SQS_ENDPOINT_URL": "http://127.0.0.1:9"}
    said = site.project.run("shell", "-v0", "-c", VISIT + TASK, **away).output

    assert "Cannot reach SQS" in said
    assert "Enqueued again: 0 tasks." in said
