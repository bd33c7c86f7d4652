"""Which queues may use a dead-letter queue that was created here."""

import json

import pytest

from django_sqs_kombu.transport.sqs.queues import Queues

ARN = "arn:aws:sqs:us-east-1:123456789012:"


class Attributes:
    """Stands in for the queues of SQS, whose redrive allow policies moto does not know."""

    def __init__(self, scripted, **policies):
        self.policies = {name: json.dumps(policy) for name, policy in policies.items()}
        self.existing = set(policies)
        self.refusing = False
        self.stale = False
        scripted.answers = {
            "GetQueueUrl": self.get_url,
            "CreateQueue": self.create,
            "GetQueueAttributes": self.get,
            "SetQueueAttributes": self.set,
        }

    def get_url(self, asked):
        if asked["QueueName"] in self.existing:
            return {"QueueUrl": f"http://127.0.0.1/1/{asked['QueueName']}"}
        return 400, {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "no"}

    def create(self, asked):
        self.existing.add(asked["QueueName"])
        return self.get_url(asked)

    def get(self, asked):
        name = asked["QueueUrl"].rpartition("/")[2]
        found = {"QueueArn": ARN + name, "VisibilityTimeout": "30"}
        if name in self.policies and not self.stale:
            found["RedriveAllowPolicy"] = self.policies[name]
        return {"Attributes": found}

    def set(self, asked):
        if self.refusing:
            return 403, {"__type": "x#AccessDenied", "message": "no"}
        policy = asked["Attributes"]["RedriveAllowPolicy"]
        self.policies[asked["QueueUrl"].rpartition("/")[2]] = policy
        return b""

    def allowed(self, name):
        policy = json.loads(self.policies[name])
        arns = policy.get("sourceQueueArns", ())
        return policy["redrivePermission"], [arn.removeprefix(ARN) for arn in arns]


def declare(requests, *names):
    arguments = {"x-dead-letter-queue": "dead", "x-max-receives": 3}
    return Queues(requests, dict.fromkeys(names, arguments), 30)


@pytest.mark.parametrize("stale", [False, True])
def test_it_takes_messages_from_its_sources_only(requests, scripted, stale):
    sqs = Attributes(scripted)
    sqs.stale = stale
    declare(requests, "orders", "refunds")

    for name in ("orders", "refunds"):
        requests.url(name)

    assert sqs.allowed("dead") == ("byQueue", ["orders", "refunds"])
    [dead] = [
        asked["Attributes"]
        for operation, asked in scripted.asked
        if operation == "CreateQueue" and asked["QueueName"] == "dead"
    ]
    assert dead["MessageRetentionPeriod"] == "1209600"


def test_one_that_is_used_before_its_source_is_a_dead_letter_queue_all_the_same(requests, scripted):
    sqs = Attributes(scripted)
    declare(requests, "orders")

    requests.url("dead")
    requests.url("orders")

    assert scripted.asked[1][1]["Attributes"]["MessageRetentionPeriod"] == "1209600"
    assert sqs.allowed("dead") == ("byQueue", ["orders"])


def test_a_source_that_comes_later_is_added(requests, scripted):
    sqs = Attributes(
        scripted, dead={"redrivePermission": "byQueue", "sourceQueueArns": [f"{ARN}first"]}
    )
    declare(requests, "orders")

    requests.url("orders")

    assert sqs.allowed("dead") == ("byQueue", ["first", "orders"])


@pytest.mark.parametrize("permission", ["allowAll", "denyAll", "odd"])
def test_somebody_elses_is_left_as_it_is(requests, scripted, permission):
    sqs = Attributes(scripted, dead={"redrivePermission": permission})
    declare(requests, "orders")

    requests.url("orders")

    assert sqs.allowed("dead") == (permission, [])


@pytest.mark.parametrize("policy", ["{", "[]", "[" * 100_000])
def test_what_is_no_policy_is_left_as_it_is(requests, scripted, policy):
    sqs = Attributes(scripted, dead={})
    sqs.policies["dead"] = policy
    declare(requests, "orders")

    requests.url("orders")

    assert sqs.policies["dead"] == policy


def test_more_sources_than_sqs_names_are_all_allowed(requests, scripted):
    sqs = Attributes(scripted)
    names = [f"orders-{number}" for number in range(11)]
    declare(requests, *names)

    for name in names[:-1]:
        requests.url(name)
    assert sqs.allowed("dead") == ("byQueue", names[:-1])

    requests.url(names[-1])
    assert sqs.allowed("dead") == ("allowAll", [])


def test_without_the_permission_to_restrict_it_it_is_used_all_the_same(requests, scripted):
    sqs = Attributes(scripted)
    sqs.refusing = True
    declare(requests, "orders")

    assert requests.url("orders")
    assert "dead" not in sqs.policies
