"""IAM policies of least privilege for the registered queues."""

from __future__ import annotations

from collections.abc import Sequence
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
        "ReceiveMessage",
    ),
    "administrator": (
        "ChangeMessageVisibility",
        "CreateQueue",
        "DeleteMessage",
        "GetQueueAttributes",
        "GetQueueUrl",
        "PurgeQueue",
        "ReceiveMessage",
        "SendMessage",
        "SetQueueAttributes",
        "TagQueue",
    ),
}
#: What creating queues needs; the last two for their dead-letter queues.
_CREATING = ("CreateQueue", "TagQueue", "GetQueueAttributes", "SetQueueAttributes")
#: The S3 actions on large payloads.
OBJECT_ACTIONS = {
    "sender": ("PutObject",),
    "receiver": ("DeleteObject", "GetObject"),
    "administrator": ("DeleteObject", "GetObject", "PutObject"),
}


def policy(
    role: str,
    names: Sequence[str],
    *,
    region: str,
    account: str,
    create: bool = False,
    resends: Sequence[str] = (),
    bucket: str | None = None,
    prefix: str = PREFIX,
) -> dict[str, Any]:
    """An IAM policy document.

    :param role: one of :data:`ACTIONS`.
    :param names: the queues' names in SQS.
    :param region: their AWS region, and *account* their AWS account's id.
    :param create: whether queues are created on first use.
    :param resends: the queues to which a receiver sends messages again, because they delete
        on start or have a redrive policy for which a restart must not count.
    :param bucket: the bucket of large payloads, if there is one.
    :param prefix: what the keys of payloads in it begin with.
    """
    actions = {*ACTIONS[role], *(_CREATING if create else ())}
    statements = [_allow("sqs", actions, [_arn(name, region, account) for name in names])]
    if role == "receiver" and resends:
        arns = [_arn(name, region, account) for name in resends]
        statements.append(_allow("sqs", {"SendMessage"}, arns))
    if bucket:
        arn = f"arn:aws:s3:::{bucket}"
        statements.append(_allow("s3", set(OBJECT_ACTIONS[role]), [f"{arn}/{prefix}*"]))
        if role != "sender":
            # Without it S3 answers AccessDenied for an object that is gone, and its message
            # would be tried again and again.
            statements.append(_allow("s3", {"ListBucket"}, [arn]))
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(service: str, actions: set[str], resources: list[str]) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Action": [f"{service}:{action}" for action in sorted(actions)],
        "Resource": sorted(resources),
    }


def _arn(name: str, region: str, account: str) -> str:
    return f"arn:aws:sqs:{region}:{account}:{name}"
