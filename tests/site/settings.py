"""Settings of the test project; the environment says which server and database."""

import os

from tests.databases.settings import DATABASE_ROUTERS, DATABASES  # noqa: F401

SECRET_KEY = "test"
DEBUG = False
USE_TZ = os.environ.get("TEST_USE_TZ", "yes") == "yes"
TIME_ZONE = os.environ.get("TEST_TIME_ZONE", "America/Chicago")
# Its receivers delete what they fail on, as the original's did.
SILENCED_SYSTEM_CHECKS = ["django_sqs.W007"]
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django_sqs",
    "django_sqs.results",
    "django_sqs.inbox",
    "django_sqs.tickets",
    "django_sqs.outbox",
    "django_sqs.schedules",
    "tests.site.monitoring.FailuresConfig",
    "tests.site.shop",
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
if "TEST_ADMIN" in os.environ:
    INSTALLED_APPS += [
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.messages",
        "django.contrib.sessions",
        "django.contrib.staticfiles",
        "tests.site.monitoring.MonitoringConfig",
    ]
    MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.locale.LocaleMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ]
    TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ]
    STATIC_URL = "static/"
    SQS_STATUS_CACHE_TIMEOUT = int(os.environ.get("TEST_STATUS_CACHE_TIMEOUT", "0"))
    DEBUG = True
ROOT_URLCONF = "tests.site.urls"
ALLOWED_HOSTS = ["*"]

AWS_ACCESS_KEY_ID = "testing"
AWS_SECRET_ACCESS_KEY = "testing-secret"
AWS_REGION = "us-east-1"
SQS_ENDPOINT_URL = os.environ.get("TEST_SQS_ENDPOINT_URL")
SQS_QUEUE_PREFIX = os.environ.get("TEST_SQS_PREFIX", "test")
SQS_POLL_PERIOD = 1
SQS_GRACE_PERIOD = float(os.environ.get("TEST_GRACE_PERIOD", "10"))
SQS_DEFAULT_VISIBILITY_TIMEOUT = int(os.environ.get("TEST_VISIBILITY_TIMEOUT", "60"))
# Most tests make the tables that they need without migrations.
SQS_MIGRATIONS_PATIENCE = float(os.environ.get("TEST_MIGRATIONS_PATIENCE", "0"))
SQS_VERSION = os.environ.get("TEST_VERSION")
SQS_CREATE_QUEUES = os.environ.get("TEST_CREATE_QUEUES", "yes") == "yes"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        name: {"handlers": ["stderr"], "level": "DEBUG", "propagate": True}
        for name in ("django_sqs", "django_sqs_kombu")
    },
}
if "TEST_WAKE" in os.environ:
    from django_sqs_kombu.transport.receiving import poller as polling
    from django_sqs_kombu.transport.receiving import rest as idle

    # Polls of 20 seconds shrunk to one, and the rests that follow soon at their longest.
    vars(polling)["MAX_WAIT_TIME"] = 1
    idle.GROWTH = 300
    SQS_WAKE = os.environ["TEST_WAKE"] or None
    SQS_POLL_MAX_IDLE = 300
    SQS_VIEW_TOKEN = "a-token-of-sixteen-or-more"
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": os.path.join(os.environ["TEST_FOLDER"], "cache"),
        }
    }
if "TEST_BUCKET" in os.environ:
    SQS_LARGE_PAYLOAD_BUCKET = os.environ["TEST_BUCKET"]
    SQS_S3_ENDPOINT_URL = SQS_ENDPOINT_URL
if "TEST_CONN_KEPT" in os.environ:
    SQS_CONN_MAX_AGE = float(os.environ["TEST_CONN_KEPT"])
if "TEST_BACKOFF" in os.environ:
    SQS_RESTART_BACKOFF = float(os.environ["TEST_BACKOFF"])
if "TEST_MIDDLEWARE" in os.environ:
    SQS_MIDDLEWARE = ["tests.site.shop.middleware.Telling"]
if "TEST_RUNSERVER" in os.environ:
    DEBUG = True
    SQS_RUN_WITH_RUNSERVER = True
if "TEST_QUIET" in os.environ:
    del LOGGING

if "TEST_TASKS" in os.environ:
    TASKS = {
        "default": {
            "BACKEND": "django_sqs.tasks.SQSBackend",
            "QUEUES": ["default", "other", "ordered.fifo"],
            "OPTIONS": {"max_attempts": 2, "timeout": 20},
        },
        "levels": {
            "BACKEND": "django_sqs.tasks.SQSBackend",
            "QUEUES": ["ranked"],
            "OPTIONS": {"priority_levels": [50, -50], "queue_name_prefix": "levels-"},
        },
    }
    SQS_RESTART_BACKOFF = 1
if "TEST_WITHOUT_RESULTS" in os.environ:
    INSTALLED_APPS.remove("django_sqs.results")
if "TEST_WITHOUT_SCHEDULES" in os.environ:
    INSTALLED_APPS.remove("django_sqs.schedules")
if "TEST_EXTRA_APP" in os.environ:
    INSTALLED_APPS.append(os.environ["TEST_EXTRA_APP"])
