"""The settings of the worker and of the function, which share this project."""

import os

from django_sqs import Retry

SECRET_KEY = os.environ.get("SECRET_KEY", "an example has no secrets")
INSTALLED_APPS = ["django_sqs", "django_sqs.outbox", "django_sqs.schedules", "pages"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE", "watch.sqlite3"),
        # SQLite: writers wait for one another, and do not fail (docs/howto/databases.rst).
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

SQS_QUEUE_PREFIX = os.environ.get("SQS_PREFIX", "watch")
# What fails is tried five times, later each time.
SQS_RETRY = Retry(tries=5)
# Another server than AWS's, in tests.
SQS_ENDPOINT_URL = os.environ.get("SQS_ENDPOINT_URL")
# The worker leaves this queue to the function of handler.py.
SQS_LAMBDA_QUEUES = ["slow-pages"]
#: Seconds between two looks at all pages.
WATCH_EVERY = float(os.environ.get("WATCH_EVERY", "60"))
