"""The test project's settings with all of its apps, for the type checker."""

import os

os.environ["TEST_ADMIN"] = "yes"

from .settings import *  # noqa: F403

INSTALLED_APPS += ["django_sqs.demo.shop"]  # noqa: F405
