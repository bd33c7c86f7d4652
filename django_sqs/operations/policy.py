"""IAM policies of least privilege for the registered queues."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django_sqs_kombu.transport import PREFIX

#: The SQS actions that each role needs.
ACTIONS = {
    "sender": ("GetQueueUrl", "SendMessage"),
    "receiver": (
        "ChangeMessageVisibility",
        "DeleteMessage",
        "GetQueueAttributes",
        "GetQueueUrl",
        "ListQueueTags",
        "ReceiveMessage",
    ),
    "administrator": (
        "CancelMessageMoveTask",
        "ChangeMessageVisibility",
        "CreateQueue",
        "DeleteMessage",
        "GetQueueAttributes",
        "GetQueueUrl",
        "ListDeadLetterSourceQueues",
        "ListMessageMoveTasks",
        "ListQueueTags",
        "PurgeQueue",
        "ReceiveMessage",
        "SendMessage",
        "SetQueueAttributes",
        "StartMessageMoveTask",
        "TagQueue",
        "UntagQueue",
    ),
}
#: Beginnings of AWS regions, and the partitions that they are in; all others are in "aws".
PARTITIONS = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eusc-", "aws-eusc"),
)
#: The key that AWS manages for SQS.
SQS_KEY = "alias/aws/sqs"
#: A UUID, as a policy's wildcards have it.
UUID = "-".join("?" * length for length in (8, 4, 4, 4, 12))
#: What creating queues needs; the last two for their dead-letter queues.
_CREATING = ("CreateQueue", "TagQueue", "GetQueueAttributes", "SetQueueAttributes")
#: The S3 actions on large payloads.
OBJECT_ACTIONS = {
    "sender": ("PutObject",),
    "receiver": ("DeleteObject", "GetObject"),
    "administrator": ("DeleteObject", "GetObject", "PutObject"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the queues are.

    :param region: AWS's, or ``"*"``.
    :param account: the AWS account's id, or ``"*"``.
    """

    region: str
    account: str

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of *service*."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    @property
    def partition(self) -> str:
        """AWS's partition: China, GovCloud and others have their own."""
        return next((p for start, p in PARTITIONS if self.region.startswith(start)), "aws")


def policy(
    role: str,
    names: Sequence[str],
    place: Place,
    *,
    create: bool = False,
    resends: Sequence[str] = (),
    pauses: Sequence[str] = (),
    keys: Iterable[str] = (),
    bucket: str | None = None,
    prefix: str = PREFIX,
) -> dict[str, Any]:
    """An IAM policy document.

    :param role: one of :data:`ACTIONS`.
    :param names: the queues' names in SQS, and *place*, where they are.
    :param create: whether queues are created on first use.
    :param resends: the queues to which a receiver sends messages again.
    :param pauses: the queues that a receiver pauses for all, by a shared breaker.
    :param keys: the KMS keys that encrypt queues: ids, ARNs or aliases.
    :param bucket: the bucket of large payloads, if there is one.
    :param prefix: what the keys of payloads in it begin with.
    """
    actions = {*ACTIONS[role], *(_CREATING if create else ())}
    statements = [_allow("sqs", actions, [place.arn("sqs", name) for name in names])]
    if role == "receiver" and resends:
        statements.append(_allow("sqs", {"SendMessage"}, [place.arn("sqs", n) for n in resends]))
    if role == "receiver" and pauses:
        statements.append(_allow("sqs", {"TagQueue"}, [place.arn("sqs", n) for n in pauses]))
    sends = role != "receiver" or bool(resends)
    statements += _for_keys(keys, {"Decrypt", *(("GenerateDataKey",) if sends else ())}, place)
    if bucket:
        arn = f"arn:{place.partition}:s3:::{bucket}"
        objects = [f"{arn}/{prefix}*"]
        if role != "sender":
            # As Amazon's Extended Clients name theirs.
            objects.append(f"{arn}/{UUID}")
        statements.append(_allow("s3", set(OBJECT_ACTIONS[role]), objects))
        if role == "receiver" and resends:
            # What is sent again, or in parts, has a payload of its own.
            statements.append(_allow("s3", {"PutObject"}, objects[:1]))
        if role != "sender":
            # Without it S3 answers AccessDenied for an object that is gone, and its message
            # would be tried again and again.
            statements.append(_allow("s3", {"ListBucket"}, [arn]))
    return {"Version": "2012-10-17", "Statement": statements}


def _for_keys(keys: Iterable[str], actions: set[str], place: Place) -> Iterator[dict[str, Any]]:
    arns, aliases = [], []
    for key in keys:
        if key.startswith("arn:"):
            arns.append(key)
        elif key.startswith("alias/"):
            aliases.append(key)
        else:
            arns.append(place.arn("kms", f"key/{key}"))
    if arns:
        yield _allow("kms", actions, arns)
    # SQS's own key needs no permission; and a policy cannot name a key by its alias.
    if aliases := sorted({*aliases} - {SQS_KEY}):
        named = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": aliases}}
        yield {**_allow("kms", actions, [place.arn("kms", "key/*")]), "Condition": named}


def _allow(service: str, actions: set[str], resources: list[str]) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Action": [f"{service}:{action}" for action in sorted(actions)],
        "Resource": sorted(resources),
    }
