"""EventSource: what AWS does between a queue and a Lambda function."""

import base64
import time

ARN = "arn:aws:sqs:us-east-1:123456789012:{}"


class Context:
    """Lambda's context: so many seconds are left."""

    def __init__(self, seconds):
        self._ends_at = time.monotonic() + seconds

    def get_remaining_time_in_millis(self):
        return int((self._ends_at - time.monotonic()) * 1_000)


class EventSource:
    """An event source mapping with ReportBatchItemFailures.

    :param sqs: Lambda's own client.
    :param handler: the function's.
    """

    def __init__(self, sqs, handler):
        self._sqs = sqs
        self._handler = handler

    def receive(self, name, wait=0, count=10):
        """Take messages of a queue; return them as a function's event has them."""
        url = self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
        received = self._sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=count,
            WaitTimeSeconds=wait,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        return [record(name, message) for message in received.get("Messages", [])]

    def invoke(self, name, seconds=30, wait=0, count=10):
        """Give the function what a queue has; return the ids that it reported, None: nothing."""
        records = self.receive(name, wait, count)
        return self.give(name, records, seconds) if records else None

    def give(self, name, records, seconds=30):
        """Invoke the function, and delete what is done; where it fails, nothing is."""
        response = self._handler({"Records": records}, Context(seconds))
        failed = [failure["itemIdentifier"] for failure in response["batchItemFailures"]]
        url = self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
        assert set(failed) <= {each["messageId"] for each in records}
        for each in records:
            if each["messageId"] not in failed:
                self._sqs.delete_message(QueueUrl=url, ReceiptHandle=each["receiptHandle"])
        return failed


def record(name, message):
    """A message that was received from a queue, as a function's event has it."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            key: attribute(value) for key, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": ARN.format(name),
        "awsRegion": "us-east-1",
    }


def attribute(value):
    shown = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if "StringValue" in value:
        shown["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        shown["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return shown
