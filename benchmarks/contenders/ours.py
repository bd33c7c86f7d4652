"""This library."""

import threading
from types import MappingProxyType

from .meter import PATIENCE, PAYLOAD, REGION


class Ours:
    """This library: Receivers and ReceiverConsumer."""

    #: What consuming imports.
    modules = ("django_sqs_kombu",)
    threads = 1
    wire_format = "kombu"
    #: Transport options beside those of a server.
    options = MappingProxyType({})
    _sender = None

    def receivers(self, url, queues, handler=None):
        from django_sqs_kombu import Receivers

        receivers = Receivers(
            "sqs-batch://bench:bench@",
            wire_format=self.wire_format,
            transport_options={"endpoint_url": url, "region": REGION, **self.options},
        )
        for queue in queues:
            receivers.register(queue, handler)
        return receivers

    def sender(self, url, queues):
        """What sends; its connections are kept from one call to the next."""
        if self._sender is None:
            self._sender = self.receivers(url, queues)
        return self._sender

    def send(self, url, queues, count):
        sender = self.sender(url, queues)
        for _ in range(count):
            sender.send(queues[0], body=PAYLOAD)

    def fill(self, url, queues, count):
        sender = self.sender(url, queues)
        for number, queue in enumerate(queues):
            share = len(range(number, count, len(queues)))
            group = {"group_id": "group"} if queue.endswith(".fifo") else {}
            sender.send_many(queue, (PAYLOAD for _ in range(share)), **group)

    def consume(self, url, queues, meter):
        from django_sqs_kombu import ReceiverConsumer

        receivers = self.receivers(url, queues, meter.tick)
        consumer = ReceiverConsumer(receivers, threads=self.threads)

        def stop():
            meter.done.wait(PATIENCE)
            consumer.stop(break_off=meter.break_off)

        threading.Thread(target=stop).start()
        consumer.run()


class OursThreads(Ours):
    """This library with 10 threads; it sends from 8."""

    threads = 10

    def send(self, url, queues, count):
        sender = self.sender(url, queues)
        sender.channel()

        def send():
            for _ in range(count // 8):
                sender.send(queues[0], body=PAYLOAD)

        threads = [threading.Thread(target=send) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


class OursMany(Ours):
    """This library's send_many."""

    def send(self, url, queues, count):
        self.fill(url, queues, count)


class OursRaw(Ours):
    """This library with the raw wire format."""

    wire_format = "raw"
