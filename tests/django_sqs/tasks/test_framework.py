"""The Tasks framework is of two packages and several releases, which name things differently."""

import subprocess
import sys

import django
import pytest

from ...processes import ROOT

#: Names of the exception in releases of django-tasks; Django itself has the first.
NAMES = ("InvalidTask", "InvalidTaskError")

CODE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.site.settings"
os.environ["TEST_TASKS"] = "yes"
import django
import django_tasks.backends.base
from django_tasks import exceptions
# As the release has it that calls it so.
names = {"InvalidTask", "InvalidTaskError"}
[had] = names & set(vars(exceptions))
Invalid = vars(exceptions).pop(had)
setattr(exceptions, sys.argv[1], Invalid)
django.setup()
from django.utils import timezone
from django_sqs.tasks import framework
from tests.site.shop.tasks import in_order
assert framework.InvalidTask is Invalid, framework.InvalidTask
try:
    in_order.using(run_after=timezone.now()).enqueue(1)
except Invalid as exc:
    print("REFUSED", exc)
"""


@pytest.mark.skipif(django.VERSION >= (6, 0), reason="Django's own Tasks have one name")
@pytest.mark.parametrize("name", NAMES)
def test_the_error_of_an_invalid_task_has_two_names(name):
    done = subprocess.run(
        [sys.executable, "-c", CODE, name], capture_output=True, text=True, cwd=ROOT, timeout=60
    )

    assert "REFUSED run_after needs a queue that is not FIFO" in done.stdout, (
        done.stdout + done.stderr
    )
