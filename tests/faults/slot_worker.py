"""A worker without Django that ticks: ``python -m tests.faults.slot_worker URL PREFIX FILE``.

Of each message it receives it adds a line to the file: its slot and its id in SQS.
"""

import signal
import sys
from datetime import timedelta

from django_sqs_kombu import ReceiverConsumer, Receivers
from django_sqs_kombu.working import current_message

EVERY = timedelta(seconds=2)


def main(url, prefix, file):
    receivers = Receivers(
        "sqs-batch://testing:testing-secret@",
        prefix=prefix,
        visibility_timeout=2,
        poll_period=1,
        transport_options={"endpoint_url": url, "region": "us-east-1"},
    )

    def note(message):
        with open(file, "a") as notes:
            notes.write(f"{message.get_body()} {current_message.get().message_id}\n")

    receivers.register("ticking.fifo", note, every=EVERY)
    consumer = ReceiverConsumer(receivers)
    signal.signal(signal.SIGTERM, lambda *_: consumer.stop())
    print("ready", flush=True)
    consumer.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
