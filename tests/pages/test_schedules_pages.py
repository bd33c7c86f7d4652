"""Schedules in the admin: to see, to run now, to pause and to resume."""

import pytest

pytestmark = pytest.mark.slow

ENVIRONMENT = {"TEST_EVERY": "3600"}
LIST = "/admin/django_sqs_schedules/knownschedule/"
SLOTS = "/admin/django_sqs_schedules/slot/"

KNOWN = """
import time
from datetime import datetime
from django_sqs_kombu.working import UTC
from django_sqs.schedules.firing import know
from django_sqs.schedules.models import KnownSchedule, Slot
know(datetime.now(UTC))
gone = {"name": "gone", "definition": "every 0:01:00"}
KnownSchedule.objects.get_or_create(**gone, defaults={"since": int(time.time())})
Slot.objects.get_or_create(name="ticking", slot=int(time.time()))
"""


def test_schedules_are_seen_run_paused_and_resumed(site, visit):
    made = site.project.run("shell", "-v0", "-c", KNOWN)
    assert made.popen.returncode == 0, made.output
    root = visit("root")
    rows = {row["name"]: row["id"] for row in site.project.rows("django_sqs_schedules", ALL)}

    page = root.get(LIST)
    assert "every 1 h" in page.text
    assert "not in this release" in page.text
    assert root.get(LIST + f"{rows['ticking']}/change/").status == 200
    assert root.get(LIST + "add/").status == 403
    assert "ticking" in root.get(SLOTS).text

    def act(action):
        return root.post(LIST, action=action, _selected_action=rows["ticking"]).text

    assert "Run now: 1 schedule." in act("run_now")
    outbox = "SELECT queue_name FROM django_sqs_outbox_outboxmessage"
    assert [r["queue_name"] for r in site.project.rows("django_sqs_outbox", outbox)] == ["ticking"]
    assert "Paused: 1 schedule." in act("pause")
    assert "Paused: 0 schedules." in act("pause")
    assert [r["name"] for r in site.project.rows("django_sqs_schedules", PAUSED)] == ["ticking"]
    assert "Resumed: 1 schedule." in act("resume")
    assert not site.project.rows("django_sqs_schedules", PAUSED)
    history = root.get(LIST + f"{rows['ticking']}/history/").text
    assert [done in history for done in ("Run now.", "Paused.", "Resumed.")] == [True] * 3
    assert visit("nobody").get(LIST).status == 403


def test_only_a_schedule_that_the_code_knows_no_more_can_be_deleted(site, visit):
    made = site.project.run("shell", "-v0", "-c", KNOWN)
    assert made.popen.returncode == 0, made.output
    root = visit("root")
    rows = {row["name"]: row["id"] for row in site.project.rows("django_sqs_schedules", ALL)}

    assert root.post(LIST + f"{rows['ticking']}/delete/", post="yes").status == 403
    page = root.post(LIST, action="delete_selected", _selected_action=list(rows.values()))
    assert "1 schedule is in this release and stays" in page.text
    both = {"_selected_action": list(rows.values()), "post": "yes"}
    assert "deleted 1 schedule" in root.post(LIST, action="delete_selected", **both).text

    left = site.project.rows("django_sqs_schedules", ALL)
    assert [row["name"] for row in left] == ["ticking"]


ALL = "SELECT id, name FROM django_sqs_schedules_knownschedule"
PAUSED = f"{ALL} WHERE paused"
