"""The test project; with a broker it also has a Celery app."""

import os

if "TEST_SITE_BROKER_URL" in os.environ:
    # As Celery's documentation has it: so that the app is the current one everywhere.
    from .celery_project import app as celery_app  # noqa: F401
