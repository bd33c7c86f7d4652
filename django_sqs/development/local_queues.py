"""LocalQueues: the queues of a local server, and what they are defined by."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from django_sqs_kombu.logs import get_logger

logger = get_logger(__name__)

#: What a queue is created with; all else that SQS tells of it changes by itself.
KEPT = (
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "Policy",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
)
#: The region of definitions that name none.
REGION = "us-east-1"
_TYPES = {"QueueName": str, "Region": str, "Attributes": dict, "tags": dict}
_REQUIRED = {"QueueName", "Attributes"}
#: Names that SQS lists at most in one answer.
_LISTED = 1000


class LocalQueues:
    """The queues of moto's server in this process, in all regions.

    A definition is what CreateQueue takes, and "Region".

    :param url: of the server.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._clients: dict[str, Any] = {}

    def create(self, definitions: list[dict[str, Any]]) -> None:
        """Make the queues.

        :raises ValueError: one cannot be made.
        """
        # A redrive policy names a queue that is there: all of them first.
        for make in (self._create, self._set_redrive_policy):
            for definition in definitions:
                try:
                    make(definition)
                except (BotoCoreError, ClientError) as exc:
                    name = definition["QueueName"]
                    raise ValueError(f"queue {name!r} cannot be made: {exc}") from exc

    def definitions(self) -> list[dict[str, Any]]:
        """Return those of all queues, sorted."""
        found = [each for region in _regions() for each in self._definitions(region)]
        return sorted(found, key=lambda each: (each["QueueName"], each["Region"]))

    def _create(self, definition: dict[str, Any]) -> None:
        attributes = definition["Attributes"]
        self._client(definition.get("Region", REGION)).create_queue(
            QueueName=definition["QueueName"],
            Attributes={k: v for k, v in attributes.items() if k != "RedrivePolicy"},
            tags=definition.get("tags") or {},
        )

    def _set_redrive_policy(self, definition: dict[str, Any]) -> None:
        attributes = definition["Attributes"]
        if "RedrivePolicy" not in attributes:
            return
        client = self._client(definition.get("Region", REGION))
        url = client.get_queue_url(QueueName=definition["QueueName"])["QueueUrl"]
        # moto forgets the one where only the other is set.
        policies = {k: v for k, v in attributes.items() if k in {"Policy", "RedrivePolicy"}}
        try:
            client.set_queue_attributes(QueueUrl=url, Attributes=policies)
        except client.exceptions.QueueDoesNotExist:
            # Without one, messages stay in the queue, as in SQS, and moto shows none that does
            # nothing.
            client.set_queue_attributes(QueueUrl=url, Attributes={**policies, "RedrivePolicy": ""})
            logger.warning(
                "Queue %s has no redrive policy any longer, since its dead-letter queue is gone. "
                "Make that queue, and set the policy again: %s",
                definition["QueueName"],
                attributes["RedrivePolicy"],
            )

    def _definitions(self, region: str) -> list[dict[str, Any]]:
        client, found = self._client(region), []
        pages = client.get_paginator("list_queues").paginate(PaginationConfig={"PageSize": _LISTED})
        for url in [url for page in pages for url in page.get("QueueUrls", [])]:
            try:
                attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
                tags = client.list_queue_tags(QueueUrl=url).get("Tags") or {}
            except client.exceptions.QueueDoesNotExist:
                # It was deleted meanwhile.
                continue
            kept = {k: v for k, v in attributes["Attributes"].items() if k in KEPT}
            name = url.rpartition("/")[2]
            found.append({"QueueName": name, "Region": region, "Attributes": kept, "tags": tags})
        return found

    def _client(self, region: str) -> Any:
        if region not in self._clients:
            self._clients[region] = boto3.client(
                "sqs",
                endpoint_url=self._url,
                region_name=region,
                aws_access_key_id="local",
                aws_secret_access_key="local",  # noqa: S106 - what this server takes, as any other
            )
        return self._clients[region]


def require_definitions(found: object) -> None:
    """Raise ValueError unless *found* is a list of definitions."""
    if not isinstance(found, list):
        raise ValueError(f"it is not a list, but {str(found)[:40]!r}")
    for each in found:
        if not isinstance(each, dict) or not _REQUIRED <= each.keys() <= _TYPES.keys():
            raise ValueError(
                f"{str(each)[:100]!r} is not a definition, which has QueueName and Attributes, and "
                "may have tags and Region"
            )
        for key, value in each.items():
            if not isinstance(value, _TYPES[key]):
                raise ValueError(f"{key} of {str(each)[:100]!r} must be a {_TYPES[key].__name__}")


def _regions() -> list[str]:
    """Those that have queues."""
    from moto.sqs.models import sqs_backends

    return sorted(
        {
            region
            for regions in list(sqs_backends.values())
            for region, backend in list(regions.items())
            if backend.queues
        }
    )
