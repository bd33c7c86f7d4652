"""Events of AWS as messages: ``message_class=S3Event`` and its kin; see django_sqs_kombu.events."""

from django_sqs_kombu.events import (
    CloudWatchAlarm,
    DynamoDBRecord,
    Event,
    EventBridgeEvent,
    Notification,
    S3Event,
    SESEvent,
    SNSMessage,
)

__all__ = [
    "CloudWatchAlarm",
    "DynamoDBRecord",
    "Event",
    "EventBridgeEvent",
    "Notification",
    "S3Event",
    "SESEvent",
    "SNSMessage",
]
