"""A registry with random options, run by a consumer of receivers that stops now and then."""

import json
from collections import Counter
from functools import partial

from django_sqs_kombu import Breaker, Continue, ReceiverConsumer, Receivers, RestartLater, Retry
from django_sqs_kombu.transport.sqs.pauses import BREAKER_TAG, TAG, Pause
from django_sqs_kombu.working import stoppable

from .sqs import URL
from .trial import Trial

#: More tries than any message here needs.
MANY = 500
#: How often it is consumed at the end, until all is done.
ENDS = 40
#: Seconds that a stop may take beside its receivers: the grace period, and the end of polls.
STOP = 75.0


class Broken(Exception):
    """What is tried again."""


class Hopeless(Exception):
    """What is discarded, or goes to the dead letters."""


class Registry(Trial):
    """Sends jobs, each with the outcomes of its tries decided beforehand."""

    #: Receivers do.
    raises = True

    def __init__(self, world, sqs, *, calm):
        super().__init__(world, sqs, calm=calm)
        self.jobs, self.options = {}, {}
        self.runs, self.done, self.given_up = Counter(), Counter(), set()
        self._works = True
        # It would watch over a stop in real time.
        stoppable.start_thread = lambda thread: None
        self.receivers = Receivers(
            "sqs-batch://key:secret@",
            transport_options={
                "endpoint_url": URL,
                "region": "us-east-1",
                "backoff_base": self.rng.choice([1, 5]),
                "backoff_max": 60,
                "pause_look": self.rng.choice([1, 10]),
            },
        )
        for number in range(self.rng.randint(1, 3)):
            self._register(f"q{number}" + (".fifo" if self.rng.random() < 0.4 else ""))
        self._send()
        self._pause()

    def run(self):
        """Consume for a while in this weather, then in a calm, and see what is left."""
        while self.world.now < self._ends_at:
            options = {}
            if self.rng.random() < 0.2:
                options["prefetch"] = self.rng.choice([1, 5, 30])
            if self.rng.random() < 0.2:
                options["message_limit"] = self.rng.choice([1, 5, 50])
            self._consume(self.rng.choice([5, 30, 200, 1500]) * self.rng.random(), **options)
            self.world.run(self.rng.choice([0, 20]) * self.rng.random())
        self._works = False
        self._calm_down()
        for _ in range(ENDS):
            if self._left():
                self._consume(400.0)
        self._check_the_end()

    # What there is.

    def _register(self, name):
        rng = self.rng
        options = {
            "visibility_timeout": rng.choice([10, 30, 120]),
            "retry": Retry(Broken, tries=MANY),
            "priority": rng.choice([0, 0, 0, 1, 2]),
        }
        if rng.random() < 0.35:
            options |= {"batch": rng.choice([2, 5, 10, 30]), "wait": rng.choice([0.05, 1, 10])}
        elif rng.random() < 0.3:
            options["concurrency"] = rng.choice([1, 3])
        elif rng.random() < 0.2 and not name.endswith(".fifo"):
            options["delete_on_start"] = True
        if rng.random() < 0.2:
            of, pause = rng.choice([5, 20]), rng.choice([5, 20])
            options["breaker"] = Breaker(of=of, pause=pause, shared=rng.random() < 0.5)
        if rng.random() < 0.2:
            options["rate"] = rng.choice(["1/s", "5/s", "60/m"])
        if rng.random() < 0.4:
            options["discard"] = Hopeless
        else:
            dead = "dead.fifo" if name.endswith(".fifo") else "dead"
            options |= {"dead_letter": Hopeless, "dead_letter_queue": dead, "max_receives": 900}
        work = rng.choice([0, 0.01, 0.5, 5, 25])
        receiver = self._receive_several if "batch" in options else self._receive
        self.receivers.register(name, partial(receiver, name, work), **options)
        self.options[name] = options
        self.sqs.queue(
            name,
            visibility_timeout=options["visibility_timeout"],
            max_receives=options.get("max_receives"),
        )

    def _send(self):
        for _ in range(self.rng.randint(1, self.rng.choice([3, 10, 40]))):
            name, number = self.rng.choice(list(self.options)), len(self.jobs)
            fifo = name.endswith(".fifo")
            group = f"g{self.rng.randint(1, 4)}" if fifo else None
            outcomes = ["broken", "later", "later" if fifo else "continued"]
            tries = self.rng.choices(outcomes, k=self.rng.choice([0, 0, 0, 1, 3]))
            if fifo and "batch" in self.options[name]:
                # What its batch does with the others of its group is not worked out here.
                tries = []
            job = {"id": f"j{number}", "group": group, "number": number}
            last = self.rng.choices(["done", "hopeless"], [9, 1])[0]
            self.jobs[job["id"]] = {**job, "queue": name, "tries": [*tries, last]}
            deduplication = job["id"] if fifo else None
            self.sqs.send(name, json.dumps(job), group=group, deduplication=deduplication)
        if self.world.now < self._ends_at - 30:
            self.world.after(self.rng.uniform(0, 30), self._send)

    def _pause(self):
        """Pause a queue now and then, for a while: as a person does, or another's breaker."""
        if self.world.now > self._ends_at - 30:
            return
        queue = self.sqs.queue(self.rng.choice(list(self.options)))
        tag = self.rng.choice([TAG, BREAKER_TAG])
        queue.tags[tag] = Pause.starting_now(self.rng.choice([1, 5, 20]), "a trial").value
        self.world.say("paused", queue.name, tag)
        self.world.after(self.rng.uniform(5, 200), self._pause)

    # The receivers.

    def _receive(self, name, work, message):
        job = json.loads(message.get_body())
        outcome = self._outcome(job)
        self._work(work)
        if outcome == "broken":
            raise Broken
        if outcome == "hopeless":
            self.given_up.add(job["id"])
            raise Hopeless
        if outcome == "later":
            raise RestartLater(self.rng.choice([None, 0, 3]))
        if outcome == "continued":
            raise Continue(self.runs[job["id"]])
        self.done[job["id"]] += 1

    def _receive_several(self, name, work, messages):
        done = []
        for message in messages:
            job = json.loads(message.get_body())
            outcome = self._outcome(job)
            if outcome == "broken":
                message.fail(Broken())
            elif outcome == "hopeless":
                self.given_up.add(job["id"])
                message.fail(Hopeless())
            elif outcome in ("later", "continued"):
                message.restart(self.rng.choice([None, 0, 3]))
            else:
                done.append(job["id"])
                if name.endswith(".fifo"):
                    # The next of its group may be in the same batch.
                    self.done[job["id"]] += 1
        self._work(work)
        if not name.endswith(".fifo"):
            self.done.update(done)

    def _outcome(self, job):
        """What this try comes to; whether it may be is looked at."""
        named = job["id"]
        self.runs[named] += 1
        self.world.say("run", named, self.runs[named])
        known = self.jobs[named]
        if self.calm and self.done[named]:
            self._complain("done before", named)
        for other in self.jobs.values():
            earlier = other["queue"] == known["queue"] and other["number"] < known["number"]
            ended = self.done[other["id"]] or other["id"] in self.given_up
            if known["group"] and earlier and other["group"] == known["group"] and not ended:
                self._complain("run before one of its group", named, other["id"])
        tries = known["tries"]
        return tries[min(self.runs[named], len(tries)) - 1]

    def _work(self, seconds):
        if seconds and self._works:
            self.world.run(self.rng.uniform(0, seconds))

    # The consumer.

    def _consume(self, seconds, **options):
        consumer = ReceiverConsumer(self.receivers, threads=1, grace_period=30.0, **options)
        stop_at = self.world.now + seconds
        self.world.at(stop_at, lambda: self._stop(consumer))
        consumer.run()
        if self.world.now > stop_at + STOP:
            self._complain("slow stop")
        soon = self.world.now + 1
        hidden = {e[2] for e in self.world.log if e[1] == "hidden" and e[3] > 0}
        flying = [
            m.id for m in self._left() if m.receives and m.visible_at > soon and m.id not in hidden
        ]
        if self.calm and flying:
            self._complain("hidden after the stop", *flying[:5])

    def _stop(self, consumer):
        if consumer._ended.is_set():
            return
        consumer.stop()
        if (connection := consumer._live_connection) is not None:
            pollers = connection.transport.stop_polling(hands_out=consumer._starts_still())
            connection.transport.wake()
            self._wind_down(consumer, pollers)

    def _wind_down(self, consumer, pollers):
        """What the consumer's own thread does after a stop."""
        left = consumer._grace_left()
        if consumer._ended.is_set() or left <= 0:
            return
        if not consumer._starts_still():
            for poller in pollers:
                poller.stop(break_off=left < 2)
        self.world.after(1.0, lambda: self._wind_down(consumer, pollers))

    # The end.

    def _left(self):
        return [m for name in self.options for m in self.sqs.queues[name].messages if m.there]

    def _check_the_end(self):
        if left := self._left():
            self._complain("stranded", *(m.id for m in left[:5]))
        dead = " ".join(
            m.body for q in self.sqs.queues.values() for m in q.messages if "dead" in q.name
        )
        for named, job in self.jobs.items():
            buries = "dead_letter" in self.options[job["queue"]]
            if self.calm and self.done[named] > 1:
                self._complain("done twice", named)
            # What is deleted before, and fails while nothing can be sent, is lost: it is logged.
            may_go = "delete_on_start" in self.options[job["queue"]] and not self.calm
            if not (self.done[named] or named in self.given_up or may_go):
                self._complain("lost", named)
            if named in self.given_up and buries and f'"{named}"' not in dead:
                self._complain("not among the dead letters", named)
        self._check_rest("stop")
