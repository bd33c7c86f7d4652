"""boto3 alone: the loop that anybody can write."""

import functools
import threading
import time

from .meter import AFTERWARDS, KEYS, PATIENCE, PAYLOAD, REGION


@functools.cache
def boto(url):
    import boto3

    return boto3.client("sqs", endpoint_url=url, region_name=REGION, **KEYS)


def in_threads(consume, queues, meter):
    """Run *consume* for each queue in a thread of its own, until all is handled."""
    for queue in queues:
        threading.Thread(target=consume, args=[queue], daemon=True).start()
    meter.done.wait(PATIENCE)
    time.sleep(AFTERWARDS)


class BotoLoop:
    """boto3 alone, one thread a queue, ten messages in a request: the floor."""

    def send(self, url, queues, count):
        client = boto(url)
        for number, name in enumerate(queues):
            queue = client.create_queue(QueueName=name)["QueueUrl"]
            share = len(range(number, count, len(queues)))
            for start in range(0, share, 10):
                entries = [
                    {"Id": str(n), "MessageBody": PAYLOAD} for n in range(min(10, share - start))
                ]
                client.send_message_batch(QueueUrl=queue, Entries=entries)

    fill = send

    def consume(self, url, queues, meter):
        client = boto(url)

        def consume(name):
            queue = client.create_queue(QueueName=name)["QueueUrl"]
            while not meter.done.is_set():
                answer = client.receive_message(
                    QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=20
                )
                messages = answer.get("Messages", [])
                for _ in messages:
                    meter.tick()
                entries = [
                    {"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]}
                    for n, m in enumerate(messages)
                ]
                if entries:
                    client.delete_message_batch(QueueUrl=queue, Entries=entries)

        in_threads(consume, queues, meter)


class BotoSingle(BotoLoop):
    """boto3 alone, one message in a request."""

    def send(self, url, queues, count):
        client = boto(url)
        queue = client.create_queue(QueueName=queues[0])["QueueUrl"]
        for _ in range(count):
            client.send_message(QueueUrl=queue, MessageBody=PAYLOAD)
