"""kombu's own transport, and Celery on it or on this library's."""

import threading
import time

from .meter import AFTERWARDS, PATIENCE, PAYLOAD, REGION, report


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

    def broker(self, url):
        host, port = url.removeprefix("http://").split(":")
        return {
            "broker_url": f"sqs://bench:bench@{host}:{port}",
            "broker_transport_options": {"region": REGION, "is_secure": False},
        }

    def app(self, url, queues, meter=None):
        import celery

        app = celery.Celery("bench")
        app.conf.update(
            **self.broker(url),
            task_ignore_result=True,
            task_default_queue=queues[0],
            worker_enable_remote_control=False,
            worker_hijack_root_logger=False,
            worker_redirect_stdouts=False,
        )

        # A shared one would be the first app's of this process, which sends.
        @app.task(name="handle", shared=False)
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


class CeleryOnOurs(Celery):
    """A Celery worker on this library's transport, 10 threads."""

    def broker(self, url):
        return {
            "broker_url": "sqs://bench:bench@",
            "broker_transport": "django_sqs_kombu.transport:Transport",
            "broker_transport_options": {"region": REGION, "endpoint_url": url},
        }
