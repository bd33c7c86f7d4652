"""Events of AWS as messages: what S3, SNS, EventBridge, SES, CloudWatch and DynamoDB write.

Each is a ``message_class``, Django-free.  All of them unwrap what an SNS topic has wrapped, so
that S3 may notify a queue, or a topic that a queue is subscribed to.
"""

from .alarms import CloudWatchAlarm
from .dynamodb import DynamoDBRecord
from .event import Event
from .eventbridge import EventBridgeEvent
from .notification import Notification
from .s3 import S3Event
from .ses import SESEvent
from .sns import SNSMessage

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
