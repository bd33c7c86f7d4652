"""The loggers that a project configures."""

import subprocess
import sys

import pytest

from ..processes import ROOT

CODE = """
import logging, sys
import django
from django.conf import settings

handler = {"class": "logging.StreamHandler", "stream": sys.stdout, "formatter": "name"}
configured = {"handlers": ["out"], "level": "INFO"}
# As the library's own modules do when they are imported.
early = logging.getLogger("django_sqs_kombu.working.outcomes")
early.isEnabledFor(logging.INFO)
settings.configure(
    INSTALLED_APPS=["django_sqs"],
    LOGGING={
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"name": {"format": "%(name)s: %(message)s"}},
        "handlers": {"out": handler},
        "loggers": {name: configured for name in sys.argv[1].split()},
    },
)
django.setup()
early.info("from the other half")
logging.getLogger("django_sqs.worker").info("from Django's")
logging.getLogger("django_sqs_kombu.later").debug("not of this level")
"""


@pytest.mark.parametrize("names", ["django_sqs", "django_sqs django_sqs_kombu"])
def test_a_project_that_configures_the_originals_logger_gets_all_once(names):
    done = subprocess.run(
        [sys.executable, "-c", CODE, names], cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    assert done.stdout.splitlines() == [
        "django_sqs_kombu.working.outcomes: from the other half",
        "django_sqs.worker: from Django's",
    ], done.stderr


def test_a_library_that_the_settings_import_is_heard_although_logging_disables_what_there_was():
    code = CODE.replace('"disable_existing_loggers": False', '"disable_existing_loggers": True')
    assert code != CODE
    done = subprocess.run(
        [sys.executable, "-c", code, "django_sqs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.stdout.splitlines() == [
        "django_sqs_kombu.working.outcomes: from the other half",
        "django_sqs.worker: from Django's",
    ], done.stderr
