"""CeleryForward: what it says of a message whose task no broker takes."""

import logging

import pytest

from django_sqs_kombu import CacheTickets, Receivers, RestartLater

from ..own_cache import OwnCache


class Task:
    name = "pack"

    def apply_async(self, args, kwargs):
        raise ConnectionRefusedError("no broker")


def test_it_names_a_message_as_all_other_lines_do(prefix, transport_options, caplog):
    receivers = Receivers(
        "sqs-batch://testing:testing-secret@",
        prefix=prefix,
        poll_period=1,
        transport_options=transport_options,
        tickets=CacheTickets(OwnCache()),
    )
    queue = receivers.register("orders", celery_task=Task())
    caplog.set_level(logging.INFO, "django_sqs_kombu")
    ticket = queue.send(body="x", ticket=True)

    with pytest.raises(RestartLater):
        queue.receive_single()
    receivers.close()

    [refused] = [each for each in caplog.records if "broker did not accept" in each.msg]
    [settled] = [each for each in caplog.records if "to be restarted" in each.getMessage()]
    assert refused.args[0] == settled.message_id != ticket.id
