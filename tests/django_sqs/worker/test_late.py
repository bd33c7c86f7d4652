"""A queue that a module registers while runreceiver runs already."""

import pytest

import django_sqs
from django_sqs.management.commands import runreceiver

from ..commands import run


class Fleet:
    """Registers queues in place of running their receivers."""

    control = None

    def __init__(self, plan):
        pass

    def run(self):
        django_sqs.register("late", print)
        django_sqs.register("on_lambda", print)
        return 0


@pytest.mark.parametrize("names", [[], ["plain"]], ids=["all", "chosen"])
def test_it_is_said_that_nobody_receives_from_it(names, site, monkeypatch, caplog):
    monkeypatch.setattr(runreceiver, "Fleet", Fleet)
    site.SQS_LAMBDA_QUEUES = ["on_lambda"]

    run("runreceiver", *names)

    assert ("Queue 'late' was registered after" in caplog.text) == (not names)
    assert "on_lambda" not in caplog.text
