"""The monitor as this project configures it."""

from django_sqs.monitor.apps import MonitorConfig


class MonitoringConfig(MonitorConfig):
    record_period = 2.0
