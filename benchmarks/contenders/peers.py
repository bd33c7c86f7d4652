"""Other libraries for SQS."""

import time

from .boto import boto, in_threads
from .meter import AFTERWARDS, KEYS, PATIENCE, PAYLOAD, REGION


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
