"""Settings of the demo project: a local SQS server, and SQLite."""

import os

SECRET_KEY = "demo"
DEBUG = True
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_sqs",
    "django_sqs.monitor",
    "django_sqs.demo.shop",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
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
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DEMO_DATABASE", "demo.sqlite3"),
    }
}
# These receivers delete what they fail on, and are meant to.
SILENCED_SYSTEM_CHECKS = ["django_sqs.W007"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "django_sqs.demo.urls"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]

# The local server takes any credentials; leave both out on AWS, where boto3 finds a role.
AWS_ACCESS_KEY_ID = "demo"
AWS_SECRET_ACCESS_KEY = "demo"
AWS_REGION = "us-east-1"
SQS_ENDPOINT_URL = os.environ.get("DEMO_SQS_ENDPOINT_URL", "http://127.0.0.1:4566")
SQS_QUEUE_PREFIX = "demo"
SQS_POLL_PERIOD = 2

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)-5s [%(process)d] %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        "django_sqs": {"handlers": ["stderr"], "level": "INFO"},
        "django_sqs_kombu": {"handlers": ["stderr"], "level": "INFO"},
    },
}
