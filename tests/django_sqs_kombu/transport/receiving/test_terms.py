"""A redrive policy may come while its queue is consumed: what waits is then given back no more."""

import json
import time

import pytest

from django_sqs_kombu import ReceiverConsumer
from django_sqs_kombu.transport.receiving import terms
from django_sqs_kombu.transport.sqs.clients import Account
from django_sqs_kombu.transport.sqs.requests import Requests


@pytest.fixture
def bury(sqs):
    """Give a queue a redrive policy."""

    def bury(name, max_receives):
        dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
        policy = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": max_receives}
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(policy)})

    return bury


@pytest.mark.slow
def test_what_waits_on_a_queue_that_was_given_a_redrive_policy_is_not_buried_for_waiting(
    receivers, sqs, bury, monkeypatch, counts
):
    monkeypatch.setattr(terms, "RECENT", 0.5)
    receives = {}

    def receive(message):
        receives[message.get_body()] = message._delivery.receive_count
        if message.get_body() == "slow":
            bury(queue.full_name(), 2)
            # More than twice what a message that waits has until it is due.
            time.sleep(9)

    queue = receivers.register("orders", receive, visibility_timeout=4)
    bodies = [*map(str, range(30)), "slow", *map(str, range(30, 50))]
    receivers.send_many("orders", bodies)

    ReceiverConsumer(receivers, message_limit=len(bodies)).run()

    assert set(receives) == set(bodies)
    assert max(receives.values()) == 1
    assert sum(counts(f"{queue.full_name()}-dead")) == 0


def test_what_is_at_hand_follows_what_sqs_and_declarations_say():
    requests = Requests(Account({"region": "us-east-1"}, access_key_id="k", secret_access_key="s"))
    declarations = {}
    found = terms.QueueTerms(requests, declarations)
    assert found.at_hand("orders") is None

    requests.learn("orders", {"VisibilityTimeout": "40"})
    assert found.at_hand("orders") == terms.Terms(40, redrives=False)
    assert found.at_hand("orders") is found.at_hand("orders")
    policy = json.dumps({"deadLetterTargetArn": "arn:aws:sqs:::dead", "maxReceiveCount": 3})
    requests.learn("orders", {"VisibilityTimeout": "40", "RedrivePolicy": policy})
    assert found.at_hand("orders") == terms.Terms(40, redrives=True)
    declarations["orders"] = {"VisibilityTimeout": "50"}
    assert found.at_hand("orders") == terms.Terms(50, redrives=True)
