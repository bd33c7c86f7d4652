"""The pages about failed messages, for who may see them."""

import re

import pytest

pytestmark = pytest.mark.slow

ENVIRONMENT = {"TEST_FAILURES": "yes"}
GROUPS = "/admin/django_sqs_failures/failuregroup/"
ROWS = "/admin/django_sqs_failures/failure/"
OVERVIEW = "/admin/django_sqs_monitor/queuereport/"

RENAME = """
from django.db import connections, router
from django_sqs.failures.models import FailureGroup
used = connections[router.db_for_write(FailureGroup)]
used.cursor().execute("ALTER TABLE {} RENAME TO {}")
"""


@pytest.fixture
def failed(site, send, worker, visit, eventually):
    """The page of a group of failures."""
    send("django_sqs.send_many('broken', ['bad', 'worse <b>'])")

    def group():
        found = re.search(rf'href="({GROUPS}\d+/change/)', visit("root").get(GROUPS).text)
        return found and found[1]

    return eventually(group, timeout=40)


def test_who_may_see_and_do_what(failed, visit):
    assert visit("reader").get(failed).status == 403
    assert visit("reader").get(GROUPS).status == 403
    session = visit("reader")
    session.get("/admin/")
    assert session.post(failed.replace("change/", "decide/send/")).status in (403, 404)
    assert visit("outsider").get(failed).url.endswith(failed)


def test_the_list_of_queues_says_that_some_failed_and_leads_to_them(failed, visit):
    link = f'<a href="{GROUPS}?queue_name__exact=broken">'
    found = re.search(
        rf"broken has {re.escape(link)}\d+ failed messages?</a>",
        " ".join(visit("root").get(OVERVIEW).text.split()),
    )
    assert found

    session = visit("root")
    assert failed in session.get(f"{GROUPS}?queue_name__exact=broken").text
    assert failed not in session.get(f"{GROUPS}?queue_name__exact=plain").text
    # Who may not see them is told, and led nowhere.
    page = " ".join(visit("reader").get(OVERVIEW).text.split())
    assert re.search(r"broken has \d+ failed messages?</li>", page)


def test_the_list_of_queues_does_without_failures_that_cannot_be_counted(site, visit):
    names = ("django_sqs_failures_failuregroup", "hidden")
    assert site.project.run("shell", "-c", RENAME.format(*names)).popen.returncode == 0
    try:
        page = visit("root").get(OVERVIEW)
    finally:
        site.project.run("shell", "-c", RENAME.format(*reversed(names)))

    assert page.status == 200
    assert "failed message" not in page.text


def test_a_group_is_sent_again_and_noted(failed, visit, eventually, site):
    session = visit("root")
    assert "Latest failures" in session.get(failed).text
    asked = session.post(failed.replace("change/", "decide/send/"))
    assert "again, to where" in asked.text
    done = session.post(failed.replace("change/", "decide/send/"), confirmed="yes")

    assert "Sent again: " in done.text
    assert "Sent again: " in session.get(failed.replace("change/", "history/")).text
    assert "sent again" in session.get(ROWS + "?state__exact=sent").text


def test_bodies_are_searched_and_shown_as_text(failed, visit):
    session = visit("root")
    found = session.get(ROWS + "?q=worse").text
    row = re.search(rf'href="({ROWS}\d+/change/)', found)[1]
    page = session.get(row).text

    assert "worse &lt;b&gt;" in page
    assert "worse <b>" not in page
    assert session.get(ROWS + "?q=nowhere-at-all").text.count('class="field-') == 0
    # Within what a filter has.
    assert row in session.get(ROWS + "?q=worse&state__exact=waiting").text
    assert row not in session.get(ROWS + "?q=worse&state__exact=sent").text


def test_what_is_not_shown_whole_is_not_edited(site, send, worker, visit, eventually):
    long = "x" * 70_000
    send(f"django_sqs.send('broken', body={long!r})")
    session = visit("root")

    def row():
        found = re.search(rf'href="({ROWS}\d+/change/)', session.get(ROWS + "?q=xxxxx").text)
        return found and found[1]

    page = eventually(row, timeout=40)
    assert "Send this instead" not in session.get(page).text

    answer = session.post(page.replace("change/", "decide/send/"), confirmed="yes", text="short")

    assert answer.status == 403
    assert "Sent again" not in session.get(page.replace("change/", "history/")).text


LEFT = """
from django.utils import timezone
from django_sqs.failures.models import Failure, FailureGroup
now = timezone.now()
group = FailureGroup.objects.create(
    fingerprint="left", queue_name="broken", error_class="Left", first_seen=now, last_seen=now
)
for number in range(3):
    Failure.objects.create(
        group=group, state="in_queue", queue_name="broken", error_class="Left", failed_at=now,
        full_name=django_sqs.queues["broken"].full_name(), message_id=str(number),
        receipt=f"left {number}",
    )
django_sqs.queues["broken"].send(body="x")
"""
#: A redrive policy that only SQS knows of.
POLICY = """
import json
django_sqs.send("copy", body="x")
arn = "arn:aws:sqs:us-east-1:123456789012:" + django_sqs.queues["copy"].full_name()
policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5})
django_sqs.receivers.channel().requests.call(
    "SetQueueAttributes",
    django_sqs.queues["broken"].full_name(),
    Attributes={"RedrivePolicy": policy},
)
"""
REDRIVE = "Redrive the dead letters of broken"


def test_what_was_left_to_sqs_leads_to_its_dead_letters_and_can_be_discarded(send, visit):
    send(LEFT)
    session = visit("root")
    found = re.search(rf'href="({GROUPS}\d+/change/)[^"]*">Left', session.get(GROUPS).text)
    without = session.get(found[1]).text
    send(POLICY)
    group = session.get(found[1]).text

    assert "3 of these messages were left to SQS when they failed" in without
    assert REDRIVE not in without, "it has no dead letters"
    assert "3 of these messages were left to SQS when they failed" in group
    assert f'href="{OVERVIEW}queue/broken/">{REDRIVE}</a>' in group
    assert "Discard all 3" in group
    assert "Send all" not in group
    row = session.get(re.search(rf'href="({ROWS}\d+/change/)"', group)[1]).text
    assert "This message was left to SQS when it failed" in row
    assert "Send again" not in row
    refused = session.post(found[1].replace("change/", "decide/send/"), confirmed="yes").text
    assert "Nothing was done: these messages were sent again" in refused
    asked = session.post(found[1].replace("change/", "decide/discard/")).text
    assert "Discard the records of 3 messages that were left to SQS?" in asked
    done = session.post(found[1].replace("change/", "decide/discard/"), confirmed="yes").text
    assert "Discarded: 3 messages." in done
    assert "left to SQS" not in done


LARGE = """
from django.contrib.auth.models import User
from django.test import Client, override_settings
from django.utils import timezone
from django_sqs.failures.models import FailureGroup
now = timezone.now()
group = FailureGroup.objects.create(
    pk=1_234_567, fingerprint="large", queue_name="broken", first_seen=now, last_seen=now)
client = Client()
client.force_login(User.objects.get(username="root"))
with override_settings(USE_THOUSAND_SEPARATOR=True):
    print(client.get(f"/admin/django_sqs_failures/failuregroup/{group.pk}/change/").text)
group.delete()
"""


def test_a_group_with_a_large_number_leads_to_its_failures_where_numbers_are_grouped(site):
    done = site.project.run("shell", "-c", LARGE)
    assert done.popen.returncode == 0, done.output

    assert f'href="{ROWS}?group__id__exact=1234567"' in done.output


#: What a page says of a message that SQS has not answered about in time.
UNANSWERED = """
from types import SimpleNamespace
from django.contrib import admin
from django.contrib.messages.storage.cookie import CookieStorage
from django.test import RequestFactory
from django_sqs.failures.deciding import Decided
from django_sqs.failures.models import Failure
from django_sqs.operations.asking import NotAnsweredYet
request = RequestFactory().post("/")
request._messages, request.user = CookieStorage(request), SimpleNamespace(pk=1)
failure = NotAnsweredYet("SQS has not answered within 15 seconds.")
choice = SimpleNamespace(run=lambda *args: Decided(failure=failure))
admin.site.get_model_admin(Failure)._do(request, choice, Failure.objects.none())
print(*request._messages, sep="\\n")
"""


def test_what_sqs_has_not_answered_about_is_not_told_as_if_somebody_else_had_done_it(site):
    said = site.project.run("shell", "-v0", "-c", UNANSWERED).output

    assert "SQS has not answered within 15 seconds. It may still take what it was asked to" in said
    assert "can be sent again in 10 minutes." in said
    assert "Nothing was done" not in said


SENDING = """
from datetime import timedelta
from django.utils import timezone
from django_sqs.failures.models import Failure, FailureGroup
now = timezone.now()
group = FailureGroup.objects.create(
    fingerprint="sending", queue_name="broken", waiting=2, first_seen=now, last_seen=now)
for minutes in (1, 11):
    row = Failure.objects.create(
        group=group, state="sending", queue_name="broken", full_name="x", body="x",
        message_id="x", receipt=str(minutes), failed_at=now,
        changed_at=now - timedelta(minutes=minutes))
    print(f"row {row.pk}.")
"""


def test_what_nobody_knows_of_can_be_sent_again_from_its_page_after_ten_minutes(site, visit):
    said = site.project.run("shell", "-v0", "-c", SENDING).output
    now, earlier = re.findall(r"row (\d+)\.", said)
    root = visit("root")

    assert "/decide/" not in root.get(f"{ROWS}{now}/change/").text
    assert f"{earlier}/decide/send/" in root.get(f"{ROWS}{earlier}/change/").text
    asked = root.post(f"{ROWS}{earlier}/decide/send/").text
    assert "Send this message again, to where it came from?" in asked
