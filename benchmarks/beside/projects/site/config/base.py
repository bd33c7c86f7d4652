"""The settings of the site before it sends anything."""

import json
import os

SECRET_KEY = "a benchmark has no secrets"
ALLOWED_HOSTS = ["127.0.0.1"]
DEBUG = False
USE_TZ = True
ROOT_URLCONF = "config.urls"
STATIC_URL = "static/"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "shop",
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
DATABASES = {
    "default": json.loads(
        os.environ.get("DATABASE", '{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}')
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

#: Another SQS than AWS's: host and port.
LOCAL_SQS = os.environ.get("LOCAL_SQS")
#: When the report is made.
REPORT_AT = os.environ.get("REPORT_AT", "0 3 * * *")
