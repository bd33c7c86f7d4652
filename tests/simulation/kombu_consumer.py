"""Kombu's own consumer, used at random: whatever it does, nothing is lost, and order is kept."""

import contextlib
from collections import Counter

import kombu

from django_sqs_kombu.exceptions import RequestFailed

from .sqs import URL
from .trial import Trial

#: What becomes of a message, and how often.
WAYS = {
    "ack": 10,
    "requeue": 1,
    "reject": 1,
    "release": 1,
    "delete_now": 1,
    "abandon": 1,
    "hide": 1,
}
#: Seconds after which a consumer that gets nothing has got all.
QUIET = 120.0


class KombuConsumer(Trial):
    """Consumes, cancels, closes and settles as chance has it."""

    def __init__(self, world, sqs, *, calm):
        super().__init__(world, sqs, calm=calm)
        self.delivered = Counter()
        #: Messages that may come again without a fault of anybody's.
        self._again = set()
        self._hidden = set()
        self._open, self._consumers = [], {}
        self._connection = self._channel = None
        self._set_up()

    def _set_up(self):
        rng = self.rng
        for number in range(rng.randint(1, 3)):
            self.sqs.queue(
                f"q{number}" + (".fifo" if rng.random() < 0.4 else ""),
                visibility_timeout=rng.choice([10, 30, 60, 300]),
                max_receives=rng.choice([None, None, 500]),
            )
        self._names = list(self.sqs.queues)
        self._send()
        if rng.random() < 0.4:
            self._compete()

    def run(self):
        """Consume for a while in this weather, then in a calm, and see what is left."""
        self._connect()
        while self.world.now < self._ends_at:
            try:
                self._connection.drain_events(timeout=self.rng.choice([0, 0.1, 1, 5, 30]))
            except TimeoutError:
                self.world.run(0.01)
            self._do_something()
        self._calm_down()
        self._close()
        self._check_the_end()

    # What happens besides.

    def _send(self):
        for _ in range(self.rng.randint(1, self.rng.choice([3, 10, 40]))):
            name = self.rng.choice(self._names)
            fifo = name.endswith(".fifo")
            group = f"g{self.rng.randint(1, 6)}" if fifo else None
            self.sqs.send(
                name, "body", group=group, delay=0 if fifo else self.rng.choice([0, 0, 5])
            )
        if self.world.now < self._ends_at - 60:
            self.world.after(self.rng.uniform(0, 30), self._send)

    def _compete(self):
        """Somebody else receives, too."""
        queue = self.sqs.queues[self.rng.choice(self._names)]
        seconds = queue.visibility_timeout
        held = {each.message_id for each in self._open if not each.acknowledged} - self._hidden
        for message in self.sqs.receive(queue, self.rng.randint(1, 10), seconds):
            if self.calm and message["MessageId"] in held:
                self._complain("taken from whoever held it", message["MessageId"])
            self._again.add(message["MessageId"])
            self._hidden.add(message["MessageId"])
            self.delivered[message["MessageId"]] += 1
            visible = self.rng.choice([None, None, 0])
            settle = self.sqs.settle, queue, message["ReceiptHandle"], visible
            if self.rng.random() < 0.85:
                self.world.after(self.rng.uniform(0, 0.9 * seconds), _call(*settle))
        if self.world.now < self._ends_at:
            self.world.after(self.rng.uniform(0, 10), self._compete)

    def _do_something(self):
        chance = self.rng.random()
        if chance < 0.003:
            self._close()
            self.world.run(self.rng.choice([0, 60]) * self.rng.random())
            self._connect()
        elif chance < 0.01 and self._consumers:
            name = self.rng.choice(list(self._consumers))
            self._consumers.pop(name).cancel()
            self._may_come_again()
            self.world.run(self.rng.choice([0, 10]) * self.rng.random())
            self._consume(name)
        elif chance < 0.02 and self._consumers:
            next(iter(self._consumers.values())).qos(prefetch_count=self.rng.choice([0, 1, 5]))
        elif chance < 0.025:
            self._channel.flush(self.rng.choice([0, 1, 5]))

    # The connection.

    def _connect(self):
        options = {"endpoint_url": URL, "region": "us-east-1"}
        if self.rng.random() < 0.3:
            options["wait_time_seconds"] = self.rng.choice([0, 1, 5])
        self._connection = kombu.Connection("sqs-batch://key:secret@", transport_options=options)
        self._channel = self._connection.channel()
        for name in self._names:
            self._consume(name)

    def _consume(self, name):
        queue = kombu.Queue(name, routing_key=name)
        if self.rng.random() < 0.5:
            seconds = self.sqs.queues[name].visibility_timeout
            queue.queue_arguments = {"VisibilityTimeout": str(seconds)}
        self._channel.declare_lazily(queue)
        self._consumers[name] = kombu.Consumer(
            self._channel,
            [queue],
            on_message=self._take,
            prefetch_count=self.rng.choice([0, 0, 1, 3, 30]),
            auto_declare=False,
        )
        self._consumers[name].consume()

    def _close(self):
        # They are given back.
        self._open.clear()
        self._connection.close()
        self._may_come_again()

    def _may_come_again(self):
        self._open.clear()
        self._again.update(m.id for queue in self.sqs.queues.values() for m in queue.messages)

    # Messages.

    def _take(self, delivery):
        queue, named = self.sqs.queues[delivery.queue], delivery.message_id
        message = next(m for m in queue.messages if m.id == named)
        self.world.say("delivered", named, delivery.receive_count)
        self._check(queue, message)
        self.delivered[named] += 1
        self._again.discard(named)
        way = self.rng.choices(list(WAYS), list(WAYS.values()))[0]
        if self.rng.random() < 0.5:
            self._settle(delivery, way)
        else:
            self._open.append(delivery)
            if self.rng.random() < 0.96:
                seconds = self.rng.choice([0.01, 1, 10, 100, 400]) * self.rng.random()
                self.world.do_after(seconds, _call(self._settle, delivery, way))
        if self.rng.random() < 0.5:
            self.world.run(self.rng.choice([0.001, 0.05, 0.5, 5]) * self.rng.random())

    def _check(self, queue, message):
        if self.calm and self.delivered[message.id] and message.id not in self._again:
            self._complain("delivered twice", message.id)
        if self.calm and message.deleted:
            self._complain("delivered after its deletion", message.id)
        for earlier in queue.messages if queue.fifo else ():
            if earlier is message:
                break
            if earlier.group == message.group and earlier.there:
                self._complain("delivered before one of its group", message.id, earlier.id)

    def _settle(self, delivery, way):
        if delivery.acknowledged or delivery.channel.closed:
            return
        named = delivery.message_id
        self.world.say(way, named)
        if way not in ("ack", "delete_now"):
            self._again.add(named)
        if way in ("abandon", "hide"):
            self._hidden.add(named)
        if way == "requeue":
            delay = self.rng.choice([None, 0, 1, 20])
            if delay != 0:
                self._hidden.add(named)
            delivery.requeue(delay)
        elif way == "reject":
            self._hidden.add(named)
            delivery.reject(requeue=True)
        elif way == "hide":
            with contextlib.suppress(RequestFailed):
                delivery.change_visibility(self.rng.choice([0, 5, 60]))
        else:
            with contextlib.suppress(RequestFailed):
                getattr(delivery, way)()

    # The end.

    def _check_the_end(self):
        soon = self.world.now + 1
        flying = [
            m.id
            for m in self.sqs.left()
            if m.receives and m.visible_at > soon and m.id not in self._hidden
        ]
        if self.calm and flying:
            self._complain("hidden after the close", *flying[:5])
        self._check_rest("close")
        self._consume_the_rest()
        if left := self.sqs.left():
            self._complain("stranded", *(m.id for m in left[:5]))
        for queue in self.sqs.queues.values():
            unseen = [m.id for m in queue.messages if m.deleted and not self.delivered[m.id]]
            if unseen:
                self._complain("deleted, and delivered to nobody", *unseen[:5])

    def _consume_the_rest(self):
        options = {"endpoint_url": URL, "region": "us-east-1"}
        connection = kombu.Connection("sqs-batch://key:secret@", transport_options=options)
        channel = connection.channel()

        def take(delivery):
            self.delivered[delivery.message_id] += 1
            delivery.ack()

        for name in self._names:
            queue = kombu.Queue(name, routing_key=name)
            kombu.Consumer(channel, [queue], on_message=take, auto_declare=False).consume()
        last = self.world.now
        while self.world.now < last + QUIET:
            with contextlib.suppress(TimeoutError):
                connection.drain_events(timeout=5)
                last = self.world.now
        connection.close()


def _call(function, *args):
    return lambda: function(*args)
