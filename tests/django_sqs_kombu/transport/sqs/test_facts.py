"""What a queue is in SQS: asked for once in a while, assumed where that is denied."""

import json

import pytest

from django_sqs_kombu.transport.sqs.facts import RedrivePolicy, redrive_policy

POLICY = {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:1:dead", "maxReceiveCount": 3}


def test_facts_are_asked_for_once_and_again_after_a_while(requests, scripted, monkeypatch):
    scripted.answers["GetQueueAttributes"] = {
        "Attributes": {"VisibilityTimeout": "60", "RedrivePolicy": json.dumps(POLICY)}
    }
    clock = [1_000.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])

    for _ in range(3):
        facts = requests.facts("orders")

    assert facts.known
    assert facts.visibility_timeout == 60
    assert facts.redrive == RedrivePolicy("arn:aws:sqs:us-east-1:1:dead", 3)
    assert scripted.counts["GetQueueAttributes"] == 1

    clock[0] += 301
    scripted.answers["GetQueueAttributes"] = {"Attributes": {"VisibilityTimeout": "3"}}
    facts = requests.facts("orders")
    assert (facts.visibility_timeout, facts.redrive) == (3, None)


def test_that_there_is_no_redrive_policy_is_believed_for_seconds_only(
    requests, scripted, monkeypatch
):
    scripted.answers["GetQueueAttributes"] = {"Attributes": {"VisibilityTimeout": "60"}}
    clock = [1_000.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    assert [requests.redrives("orders") for _ in range(3)] == [False] * 3
    assert scripted.counts["GetQueueAttributes"] == 1

    clock[0] += 6
    scripted.answers["GetQueueAttributes"] = {
        "Attributes": {"VisibilityTimeout": "60", "RedrivePolicy": json.dumps(POLICY)}
    }
    assert requests.redrives("orders")
    clock[0] += 6
    assert requests.redrives("orders")
    assert scripted.counts["GetQueueAttributes"] == 2


def test_where_they_are_denied_what_loses_nothing_is_assumed(
    requests, scripted, caplog, monkeypatch
):
    scripted.answers["GetQueueAttributes"] = (403, {"__type": "x#AccessDenied", "message": "no"})
    clock = [1_000.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])

    for _ in range(3):
        facts = requests.facts("orders")

    assert not facts.known
    assert facts.visibility_timeout == 30
    assert facts.redrive is not None
    assert scripted.counts["GetQueueAttributes"] == 1
    assert caplog.text.count("30 s is assumed") == 1

    # The permission was given meanwhile.
    clock[0] += 31
    scripted.answers["GetQueueAttributes"] = {"Attributes": {"VisibilityTimeout": "9"}}
    assert requests.facts("orders").known


@pytest.mark.parametrize("policy", [POLICY, None])
def test_what_was_known_is_what_is_assumed_while_it_cannot_be_asked(
    requests, scripted, caplog, monkeypatch, policy
):
    redrive = {} if policy is None else {"RedrivePolicy": json.dumps(policy)}
    scripted.answers["GetQueueAttributes"] = {
        "Attributes": {"VisibilityTimeout": "600", "MessageRetentionPeriod": "3600", **redrive}
    }
    clock = [1_000.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    before = requests.facts("orders")

    clock[0] += 301
    scripted.answers["GetQueueAttributes"] = (403, {"__type": "x#AccessDenied", "message": "no"})
    facts = requests.facts("orders")

    assert (facts.visibility_timeout, facts.retention, facts.known) == (600, 3600, False)
    assert "a visibility timeout of 600 s is assumed" in caplog.text
    # There may be a redrive policy by now, but hardly another one.
    assert facts.redrive.is_assumed if policy is None else facts.redrive == before.redrive


def test_attributes_that_are_none_of_sqs_are_not_believed(requests, scripted):
    for attributes in (
        {"VisibilityTimeout": "soon"},
        {"A": "1"},
        {"VisibilityTimeout": "30", "RedrivePolicy": "x"},
        {"VisibilityTimeout": "30", "RedrivePolicy": "[]"},
        {"VisibilityTimeout": "30", "RedrivePolicy": "{}"},
    ):
        scripted.answers["GetQueueAttributes"] = {"Attributes": attributes}
        requests._facts.clear()

        assert not requests.facts("orders").known


@pytest.mark.parametrize("text", ["{", "[]", "{}", "[" * 100_000])
def test_what_is_no_redrive_policy_is_said(text):
    with pytest.raises(ValueError, match="is not a redrive policy"):
        redrive_policy(text)
