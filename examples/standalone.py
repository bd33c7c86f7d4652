"""A consumer of Amazon SQS with plain kombu, without Django.

On a local server (python -m django_sqs.local):
SQS_URL=sqs-batch://any:any@127.0.0.1:4566 python standalone.py
"""

import logging
import os
import signal

from django_sqs_kombu import JSONMessage, ReceiverConsumer, Receivers, RestartLater

logging.basicConfig(level=logging.INFO)
receivers = Receivers(os.environ.get("SQS_URL", "sqs-batch://"), prefix="example")


@receivers.receiver("orders", message_class=JSONMessage)
def receive_order(message):
    if message["number"] == 2 and message.attributes["ApproximateReceiveCount"] == "1":
        raise RestartLater(delay=1)
    logging.info("received order %d", message["number"])


if __name__ == "__main__":
    for number in (1, 2, 3):
        receivers.send("orders", body={"number": number})
    consumer = ReceiverConsumer(receivers, threads=2, message_limit=4)
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda signum, frame: consumer.stop())
    consumer.run()
