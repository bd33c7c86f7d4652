"""The monitor and the failures as this project configures them."""

import os

from django_sqs.failures import apps
from django_sqs.monitor.apps import MonitorConfig


class MonitoringConfig(MonitorConfig):
    record_period = 2.0


class FailuresConfig(apps.FailuresConfig):
    #: Most tests have no tables.
    notes = "TEST_FAILURES" in os.environ
