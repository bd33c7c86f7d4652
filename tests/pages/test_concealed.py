"""Bodies that a person may not see cannot be guessed by filters in the address either."""

import re

import pytest

pytestmark = pytest.mark.slow

ENVIRONMENT = {"TEST_FAILURES": "yes"}
ROWS = "/admin/django_sqs_failures/failure/"
OUTBOX = "/admin/django_sqs_outbox/outboxmessage/"

MADE = """
from django.contrib.auth.models import Permission, User
from django.utils import timezone
from django_sqs.failures.models import Failure, FailureGroup
from django_sqs.outbox.models import OutboxMessage
now = timezone.now()
for name, codes in {
    "viewer": ["view_failure", "view_outboxmessage"],
    "searcher": ["view_failure", "body_failure"],
}.items():
    user = User.objects.create_user(name, password=name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codes))
group = FailureGroup.objects.create(
    fingerprint="hidden", queue_name="plain", error_class="Hidden", first_seen=now, last_seen=now)
Failure.objects.create(
    group=group, queue_name="plain", full_name="plain", message_id="hidden", receipt="hidden",
    body="card 4711", text="card ****", error_class="Hidden", failed_at=now)
OutboxMessage.objects.create(
    queue_name="plain", body="card 4711", content_type="text/plain", error="no", failed_at=now)
"""


@pytest.fixture(scope="module")
def made(site):
    done = site.project.run("shell", "-c", MADE)
    assert done.popen.returncode == 0, done.output


def found(answer):
    """How many rows a list shows; None: it shows none of that kind to anybody."""
    return answer.text.count('class="field-queue_name') if answer.status == 200 else None


@pytest.mark.parametrize("who", ["viewer", "searcher", "root"])
@pytest.mark.parametrize("field", ["body", "text"])
def test_no_filter_tells_what_the_body_of_a_failed_message_holds(who, field, made, visit):
    session = visit(who)

    told = [
        found(session.get(f"{ROWS}?{field}__{lookup}"))
        for lookup in ("startswith=card+4", "startswith=card+5", "regex=.", "contains=card")
    ]

    assert told == [None] * 4
    # What is shown is filtered by as before.
    assert found(session.get(f"{ROWS}?message_id__startswith=hid")) == 1
    assert found(session.get(f"{ROWS}?state__exact=sent")) == 0


def test_the_search_finds_text_for_those_who_may_see_it_and_nothing_that_is_masked(made, visit):
    assert found(visit("searcher").get(f"{ROWS}?q=card")) == 1
    assert found(visit("searcher").get(f"{ROWS}?q=4711")) == 0
    assert found(visit("viewer").get(f"{ROWS}?q=card")) == 0


def test_no_filter_of_the_outbox_tells_what_the_mask_leaves_out(made, visit):
    session = visit("viewer")

    assert found(session.get(f"{OUTBOX}?body__contains=4711")) is None
    assert found(session.get(f"{OUTBOX}?queue_name=plain&body__contains=4712")) is None
    assert found(session.get(f"{OUTBOX}?queue_name=plain")) == 1
    assert re.search(r'href="[^"]*failed', session.get(OUTBOX).text)
