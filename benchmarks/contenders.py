"""The contenders: each sends and consumes in a process of its own.

    python -m benchmarks.contenders NAME ACTION COUNT QUEUES URL

prints what it measured as JSON.  A no-op handler, 8 bytes of payload.
"""

import json
import os
import resource
import sys
import threading
import time

PAYLOAD = "8 bytes!"
KEYS = {"aws_access_key_id": "bench", "aws_secret_access_key": "bench"}
REGION = "us-east-1"
PATIENCE = 120.0


class Meter:
    """Measures from the first message to the last."""

    def __init__(self, count):
        self._left = count
        self._count = count
        self._lock = threading.Lock()
        self.done = threading.Event()
        self.result = {}

    def start(self):
        self._started = time.perf_counter()
        self._cpu = time.process_time()

    def tick(self, *args, **kwargs):
        """One message was handled."""
        with self._lock:
            if self._left == self._count:
                self.start()
            self._left -= 1
            if self._left == 0:
                self.stop(self._count - 1)

    def stop(self, count):
        seconds = time.perf_counter() - self._started
        self.result = {
            "per_second": count / seconds,
            "cpu_us": (time.process_time() - self._cpu) / count * 1e6,
        }
        self.done.set()


def boto(url):
    import boto3

    return boto3.client("sqs", endpoint_url=url, region_name=REGION, **KEYS)


#: Seconds for what a contender still has to acknowledge when the last message is handled.
AFTERWARDS = 1.0


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


class Ours:
    """This library: Receivers and ReceiverConsumer."""

    threads = 1
    wire_format = "kombu"

    def receivers(self, url, queues, handler=None):
        from django_sqs_kombu import Receivers

        receivers = Receivers(
            "sqs-batch://bench:bench@",
            wire_format=self.wire_format,
            transport_options={"endpoint_url": url, "region": REGION},
        )
        for queue in queues:
            receivers.register(queue, handler)
        return receivers

    def send(self, url, queues, count):
        receivers = self.receivers(url, queues)
        for _ in range(count):
            receivers.send(queues[0], body=PAYLOAD)

    def fill(self, url, queues, count):
        receivers = self.receivers(url, queues)
        for number, queue in enumerate(queues):
            share = len(range(number, count, len(queues)))
            receivers.send_many(queue, (PAYLOAD for _ in range(share)))

    def consume(self, url, queues, meter):
        from django_sqs_kombu import ReceiverConsumer

        receivers = self.receivers(url, queues, meter.tick)
        consumer = ReceiverConsumer(receivers, threads=self.threads)
        threading.Thread(target=lambda: (meter.done.wait(PATIENCE), consumer.stop())).start()
        consumer.run()


class OursThreads(Ours):
    """This library with 10 threads; it sends from 8."""

    threads = 10

    def send(self, url, queues, count):
        receivers = self.receivers(url, queues)
        receivers.channel()

        def send():
            for _ in range(count // 8):
                receivers.send(queues[0], body=PAYLOAD)

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


class Kombu:
    """kombu's own SQS transport with ConsumerMixin."""

    def connection(self, url):
        import kombu

        host, port = url.removeprefix("http://").split(":")
        return kombu.Connection(
            f"sqs://bench:bench@{host}:{port}",
            transport_options={"region": REGION, "is_secure": False, "wait_time_seconds": 10},
        )

    def send(self, url, queues, count):
        import kombu

        with self.connection(url) as connection:
            producer = kombu.Producer(connection)
            for number in range(count):
                queue = queues[number % len(queues)]
                producer.publish(PAYLOAD, routing_key=queue, declare=[kombu.Queue(queue)])

    fill = send

    def consume(self, url, queues, meter):
        import kombu
        from kombu.mixins import ConsumerMixin

        class Consumer(ConsumerMixin):
            def __init__(self, connection):
                self.connection = connection

            def get_consumers(self, consumer_class, channel):
                return [
                    consumer_class(
                        [kombu.Queue(queue) for queue in queues],
                        on_message=self.handle,
                        prefetch_count=10,
                    )
                ]

            def handle(self, message):
                message.ack()
                meter.tick()
                self.should_stop = meter.done.is_set()

        Consumer(self.connection(url)).run()


class Celery:
    """A Celery worker on kombu's own SQS transport, 10 threads."""

    def app(self, url, queues, meter=None):
        import celery

        host, port = url.removeprefix("http://").split(":")
        app = celery.Celery("bench", broker=f"sqs://bench:bench@{host}:{port}")
        app.conf.update(
            broker_transport_options={"region": REGION, "is_secure": False},
            task_ignore_result=True,
            task_default_queue=queues[0],
            worker_enable_remote_control=False,
            worker_hijack_root_logger=False,
            worker_redirect_stdouts=False,
        )

        @app.task(name="handle")
        def handle(payload):
            if meter is not None:
                meter.tick()

        return app, handle

    def send(self, url, queues, count):
        _, handle = self.app(url, queues)
        for number in range(count):
            handle.apply_async([PAYLOAD], queue=queues[number % len(queues)])

    fill = send

    def consume(self, url, queues, meter):
        app, _ = self.app(url, queues, meter)

        def end():
            meter.done.wait(PATIENCE)
            time.sleep(AFTERWARDS)
            report(meter)

        threading.Thread(target=end).start()
        app.worker_main(
            ["worker", "-P", "threads", "-c", "10", "-l", "ERROR", "-Q", ",".join(queues)]
        )


class SQSWorkers:
    """sqs-workers with add_batch, one thread a queue."""

    def queues(self, url, names, handler=None):
        import boto3
        from sqs_workers import SQSEnv

        session = boto3.Session(region_name=REGION, **KEYS)

        class Session:
            """Gives the clients the local endpoint, for which SQSEnv has no option."""

            def client(self, name, **kwargs):
                return session.client(name, endpoint_url=url, **kwargs)

            def resource(self, name, **kwargs):
                return session.resource(name, endpoint_url=url, **kwargs)

        env, found = SQSEnv(session=Session()), {}
        for name in names:
            boto(url).create_queue(QueueName=name)
            queue = env.queue(name)

            @queue.processor("handle")
            def handle(payload):
                if handler is not None:
                    handler()

            found[name] = queue, handle
        return found

    def send(self, url, queues, count):
        for number, (queue, handle) in enumerate(self.queues(url, queues).values()):
            with queue.add_batch():
                for _ in range(number, count, len(queues)):
                    handle.delay(payload=PAYLOAD)

    fill = send

    def consume(self, url, queues, meter):
        found = self.queues(url, queues, meter.tick)

        def consume(name):
            while not meter.done.is_set():
                found[name][0].process_batch(wait_seconds=20)

        in_threads(consume, queues, meter)


class Dramatiq:
    """dramatiq with dramatiq-sqs, 10 threads."""

    def actors(self, url, queues, handler=None):
        import dramatiq
        from dramatiq_sqs import SQSBroker

        broker = SQSBroker(endpoint_url=url, region_name=REGION, **KEYS)
        dramatiq.set_broker(broker)

        def handle(payload):
            if handler is not None:
                handler()

        return broker, [
            dramatiq.actor(handle, queue_name=queue, actor_name=f"handle-{queue}")
            for queue in queues
        ]

    def send(self, url, queues, count):
        _, actors = self.actors(url, queues)
        for number in range(count):
            actors[number % len(actors)].send(PAYLOAD)

    fill = send

    def consume(self, url, queues, meter):
        import dramatiq

        broker, _ = self.actors(url, queues, meter.tick)
        worker = dramatiq.Worker(broker, worker_threads=10)
        worker.start()
        meter.done.wait(PATIENCE)
        time.sleep(AFTERWARDS)
        worker.stop()


CONTENDERS = {
    "boto3 batch loop": BotoLoop,
    "django-sqs": Ours,
    "django-sqs, 10 threads": OursThreads,
    "django-sqs, send_many": OursMany,
    "django-sqs, raw": OursRaw,
    "kombu ConsumerMixin": Kombu,
    "Celery, 10 threads": Celery,
    "sqs-workers": SQSWorkers,
    "dramatiq-sqs, 10 threads": Dramatiq,
}


def report(meter):
    """Print the figures and end the process, whatever its threads still do."""
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**meter.result, "rss_mb": rss}), flush=True)
    os._exit(0)


def main(name, action, count, queues, url):
    count, queues = int(count), queues.split(",")
    contender, meter = CONTENDERS[name](), Meter(count)
    if action == "consume":
        contender.consume(url, queues, meter)
    elif action == "idle":
        threading.Timer(count, lambda: report(meter)).start()
        contender.consume(url, queues, meter)
    else:
        # The first request opens connections and finds the queue.
        getattr(contender, action)(url, queues, 8)
        meter.start()
        getattr(contender, action)(url, queues, count)
        meter.stop(count)
    report(meter)


if __name__ == "__main__":
    main(*sys.argv[1:])
