"""A site: several processes that send and receive; some are stopped, some are killed."""

import json
from functools import partial

from django_sqs_kombu import (
    Breaker,
    CacheTickets,
    Continue,
    RawMessage,
    ReceiverConsumer,
    Receivers,
    RestartLater,
    Retry,
)
from django_sqs_kombu.transport.sqs.pauses import BREAKER_TAG, TAG, Pause

from . import seams
from .beside import S3, Cache
from .ledger import Ledger
from .sender import LARGE, MANY, Sender
from .sqs import URL
from .trial import Trial
from .world import Process

#: Seconds that a stop may take beside its receivers: the grace period, and the end of polls.
STOP = 75.0
#: Seconds in which a visible message is to be begun by somebody who has nothing else to do.
ASLEEP = 150.0
#: Seconds after which all is done, however slow the rates are.
LAST = 20_000


class Broken(Exception):
    """What is tried again."""


class Hopeless(Exception):
    """What is discarded, or goes to the dead letters."""


class Worker:
    """One process that receives, again and again.

    :ivar running: how many receivers run.
    """

    def __init__(self, number, process):
        self.number, self.process = number, process
        self.consumer, self.running, self.threads = None, 0, 1


class Site(Trial):
    """Sends jobs, each with the outcomes of its tries decided beforehand."""

    #: Receivers do.
    raises = True

    def __init__(self, world, sqs, *, calm):
        super().__init__(world, sqs, calm=calm)
        self._s3, self._cache = S3(world, sqs), Cache(world, sqs)
        seams.install_s3(self._s3, LARGE)
        self.ledger = Ledger(world, sqs, self._s3, self._complain, calm=calm)
        self._works, self._closes = True, False
        self._kills = self.rng.random() < 0.4
        self._has_killed = self._may_hide = False
        self._set_up_queues()
        self._pause()
        self._workers = [self._new_worker(n) for n in range(self.rng.choice([1, 1, 2, 3]))]
        for number in range(self.rng.choice([1, 2])):
            sender = Sender(number, self.ledger, self._cache, self._ends_at - 30)
            self._in_process(f"sender {number}", lambda s=sender: s.run(self._registry()))

    def run(self):
        """Let all go on for a while in this weather, then in a calm, and see what is left."""
        self.world.run(self._ends_at - self.world.now)
        self._works = False
        self._calm_down()
        for worker in self._workers:
            # Message limits that are reached for one queue, and not for another, end nothing.
            self._stop(worker)
        until = self.world.now + LAST
        while self.world.now < until and self._left() and not self.problems:
            self.world.run(10)
            self._look_for_sleepers()
        self._closes = True
        for worker in self._workers:
            self._stop(worker)
        self.world.wait(lambda: all(w.consumer is None for w in self._workers), STOP)
        self._check_the_end()

    # What there is.

    def _set_up_queues(self):
        for number in range(self.rng.randint(1, 3)):
            name = f"q{number}" + (".fifo" if self.rng.random() < 0.4 else "")
            self.ledger.options[name] = options = self._options(name)
            self.sqs.queue(
                name,
                visibility_timeout=options["visibility_timeout"],
                max_receives=options.get("max_receives"),
            )

    def _options(self, name):
        rng = self.rng
        options = {
            "visibility_timeout": rng.choice([10, 30, 120]),
            "retry": Retry(Broken, tries=MANY),
            "priority": rng.choice([0, 0, 0, 1, 2]),
            "message_class": RawMessage,
            "wire_format": rng.choice(["kombu", "raw"]),
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
            most = rng.choice([3, 5, 900])
            options |= {"dead_letter": Hopeless, "dead_letter_queue": dead, "max_receives": most}
        return options

    def _pause(self):
        """Pause a queue now and then, for a while: as a person does, or another's breaker."""
        if self.world.now > self._ends_at - 30:
            return
        queue = self.sqs.queue(self.rng.choice(list(self.ledger.options)))
        tag = self.rng.choice([TAG, BREAKER_TAG])
        queue.tags[tag] = Pause.starting_now(self.rng.choice([1, 5, 20]), "a trial").value
        self.world.say("paused", queue.name, tag)
        self.world.after(self.rng.uniform(5, 200), self._pause)

    def _registry(self, worker=None):
        receivers = Receivers(
            "sqs-batch://key:secret@",
            transport_options={
                "endpoint_url": URL,
                "region": "us-east-1",
                "backoff_base": self.rng.choice([1, 5]),
                "backoff_max": 60,
                "pause_look": self.rng.choice([1, 10]),
                "large_payload_bucket": "bucket",
            },
            tickets=CacheTickets(self._cache),
        )
        for name, options in self.ledger.options.items():
            receive = self._receive_several if "batch" in options else self._receive
            work = self.rng.choice([0, 0.01, 0.5, 5, 25])
            receiver = partial(receive, worker, work)
            receivers.register(name, receiver, **options)
        return receivers

    def _in_process(self, name, call):
        before = self.world.process
        self.world.process = process = Process(name)
        self.world.do(call)
        self.world.process = before
        return process

    # The receivers.

    def _receive(self, worker, work, message):
        job = self._begin(worker, message)
        outcome = self._outcome(job)
        try:
            self._work(work)
            if outcome == "broken":
                raise Broken
            if outcome == "hopeless":
                raise Hopeless
            if outcome == "later":
                raise RestartLater(self.rng.choice([None, 0, 3]))
            if outcome == "continued":
                raise Continue(job.runs)
            if outcome == "fails":
                raise self.rng.choice([ValueError, SystemExit, KeyboardInterrupt])
        finally:
            self._end(worker, job, outcome)

    def _receive_several(self, worker, work, messages):
        jobs = []
        for message in messages:
            job = self._begin(worker, message)
            outcome = self._outcome(job)
            if outcome == "broken":
                message.fail(Broken())
            elif outcome == "hopeless":
                message.fail(Hopeless())
            elif outcome == "fails":
                message.fail(ValueError())
            elif outcome != "done":
                outcome = "later"
                message.restart(self.rng.choice([None, 0, 3]))
            jobs.append((job, outcome))
            if job.group:
                # The next of its group may be in the same batch.
                self._end(worker, job, outcome)
        self._work(work)
        for job, outcome in jobs:
            if not job.group:
                self._end(worker, job, outcome)

    def _begin(self, worker, message):
        job = self.ledger.jobs[json.loads(message.get_body())["id"]]
        self.ledger.look()
        self.ledger.starts(job)
        worker.running += 1
        return job

    def _end(self, worker, job, outcome):
        worker.running -= 1
        self.ledger.ends(job, outcome)

    def _outcome(self, job):
        return job.tries[min(job.runs, len(job.tries)) - 1]

    def _work(self, seconds):
        if seconds and self._works:
            self.world.run(self.rng.uniform(0, seconds))

    # The workers.

    def _new_worker(self, number):
        worker = Worker(number, None)
        self._start(worker)
        return worker

    def _start(self, worker):
        worker.running = 0
        work = partial(self._consume_for_a_while, worker)
        worker.process = self._in_process(f"worker {worker.number}", work)
        if self._kills and self.rng.random() < 0.7:
            self.world.after(self.rng.uniform(1, 400), partial(self._kill, worker, worker.process))

    def _kill(self, worker, process):
        if worker.process is not process or self.world.now > self._ends_at:
            return
        self.world.say("killed", worker.number)
        self._has_killed = self._may_hide = True
        self.world.kill(process)
        self.ledger.killed()
        for job in self.ledger.jobs.values():
            job.running = 0 if len(self._workers) == 1 else job.running
        self.world.after(self.rng.choice([0, 60]) * self.rng.random(), partial(self._start, worker))

    def _consume_for_a_while(self, worker):
        registry = self._registry(worker)
        while not self._closes:
            options = {"threads": self.rng.choice([1, 1, 2, 4])}
            if self.rng.random() < 0.2:
                options["prefetch"] = self.rng.choice([1, 5, 30])
            if self._works and self.rng.random() < 0.2:
                options["message_limit"] = self.rng.choice([1, 5, 50])
            if self.rng.random() < 0.2:
                options["grace_period"] = self.rng.choice([1, 10])
            worker.threads = options["threads"]
            worker.consumer = consumer = ReceiverConsumer(registry, **options)
            if self._works:
                seconds = self.rng.choice([5, 30, 200, 1500]) * self.rng.random()
                self.world.do_after(seconds, partial(self._stop, worker, consumer))
            consumer.run()
            worker.consumer = None
            self._check_the_stop(worker, consumer)
            self.world.run(self.rng.choice([0, 20]) * self.rng.random())
        registry.close()

    def _stop(self, worker, consumer=None):
        consumer = consumer or worker.consumer
        if consumer is not None and worker.consumer is consumer:
            consumer.stop()
            self.ledger.stopped()

    def _check_the_stop(self, worker, consumer):
        stopped = consumer._stopped_at
        if stopped is not None and self.world.now > stopped + STOP:
            self._complain("slow stop")
        if worker.running:
            self._complain("it runs after the stop")
        # What breaks polls off may leave messages hidden.
        self._may_hide |= consumer.grace_period < STOP / 3
        if self.calm and not self._may_hide and len(self._workers) == 1:
            hidden = {e[2] for e in self.world.log if e[1] == "hidden" and e[3] > 0}
            soon = self.world.now + 1
            flying = [m for m in self._left() if m.receives and m.visible_at > soon]
            failing = [m.id for m in flying if self.ledger.found(m).tries[-1] == "fails"]
            if flying := [m.id for m in flying if m.id not in {*hidden, *failing}]:
                self._complain("hidden after the stop", *flying[:5])

    # The end.

    def _left(self):
        there = [m for n in self.ledger.options for m in self.sqs.queues[n].messages if m.there]
        return [each for each in there if not self.ledger.is_orphan(each)]

    def _look_for_sleepers(self):
        """That nobody sleeps while there is something to do."""
        long_ago = self.world.now - ASLEEP
        for name in self.ledger.options:
            queue = self.sqs.queues[name]
            waiting = [m for m in queue.messages if m.there and m.visible_at <= long_ago]
            if waiting and self.ledger.began[name] < long_ago and not queue.fifo:
                self._complain("nobody receives it", *[m.id for m in waiting[:3]])
                self.ledger.began[name] = self.world.now

    def _check_the_end(self):
        self.ledger.look()
        if left := self._left():
            self._complain("stranded", *(m.id for m in left[:5]))
        self.ledger.check()
        owners = self._cache.keys("sqs-ticket:key:") if self.calm and not self._has_killed else ()
        for owner in owners:
            jobs = self.ledger.jobs.values()
            # What SQS itself buries keeps its key.
            for job in jobs:
                is_its = job.state == "sent" and job.ticket and job.ticket.id == owner
                if is_its and job.end != "buried":
                    self._complain("its unique key was left", job.id)
        if any(worker.consumer is not None for worker in self._workers):
            self._complain("it does not stop")
        self._check_rest("stop")
        if names := self.world.threads():
            self._complain("threads are left", *names)
