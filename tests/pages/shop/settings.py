"""The test project with the receivers of a shop in the place of those of the tests."""

from tests.site.settings import *  # noqa: F403
from tests.site.settings import INSTALLED_APPS, SILENCED_SYSTEM_CHECKS

INSTALLED_APPS = ["tests.pages.shop" if app == "tests.site.shop" else app for app in INSTALLED_APPS]
SILENCED_SYSTEM_CHECKS = [*SILENCED_SYSTEM_CHECKS]
SQS_QUEUE_PREFIX = "shop"
SQS_VERSION = "2026.11"
