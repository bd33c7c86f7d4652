"""Sender: a process that sends, by every way there is, and hears what became of it."""

import json
from functools import partial

from django_sqs_kombu import RawMessage, SendManyFailed
from django_sqs_kombu.exceptions import SQSError
from django_sqs_kombu.registration.uniqueness import may_be_there

#: More tries than any message here needs.
MANY = 500
#: More bytes than SQS takes, here.
LARGE = 4_000


class Sender:
    """Sends jobs, each with the outcomes of its tries decided beforehand.

    :param number: its own; so are its message groups, and in order.
    :param until: when it ends.
    """

    def __init__(self, number, ledger, cache, until):
        self.ledger, self._cache = ledger, cache
        self.world, self.rng = ledger.world, ledger.world.rng
        self._number, self._until = number, until

    def run(self, registry):
        """Send by *registry* for a while."""
        while self.world.now < self._until:
            name = self.rng.choice(list(self.ledger.options))
            group = f"g{self._number}-{self.rng.randint(1, 3)}" if name.endswith(".fifo") else None
            count = self.rng.choice([1, 1, 3, 10, 25])
            if self.rng.random() < 0.4:
                self._send_many(registry.queues[name], group, count)
            else:
                for _ in range(count):
                    self._send(registry.queues[name], group)
            self.world.run(self.rng.uniform(0, 60))
        registry.close()

    def _new_job(self, name, group, **more):
        outcomes = ["broken", "later", "later" if group else "continued"]
        tries = self.rng.choices(outcomes, k=self.rng.choice([0, 0, 0, 1, 3]))
        if group and "batch" in self.ledger.options[name]:
            # What its batch does with the others of its group is not worked out here.
            tries = []
        # Where it takes 900 failures to bury a message, nobody waits for that.
        fails = self.ledger.options[name].get("max_receives", 0) < MANY
        last = self.rng.choices(["done", "hopeless", "fails"], [18, 1, fails])[0]
        job = self.ledger.new(name, group, [*tries, last], **more)
        filler = "x" * (2 * LARGE if self.rng.random() < 0.1 else 0)
        return job, json.dumps({"id": job.id, "filler": filler})

    def _send(self, queue, group):
        rng, now = self.rng, self.world.now
        more, options = {}, {"group_id": group}
        if not group and rng.random() < 0.2:
            options["delay"] = delay = rng.choice([1, 20, 800, 1500])
            more["due"] = now + delay
        if rng.random() < 0.05:
            options["expires"] = (more.get("due", now) - now) + rng.choice([1, 30, 300])
            more["expires"] = now + options["expires"]
        if rng.random() < 0.15:
            key = f"k{rng.randint(0, 1)}"
            options |= {"unique": key, "unique_for": 3000, "unique_until": "finished"}
            more |= {"key": key, "key_until": now + 3000}
        elif rng.random() < 0.1:
            options["ticket"] = True
        job, body = self._new_job(queue.name, group, **more)
        try:
            job.ticket = queue.send(body=body, **options)
        except Exception as exc:
            self._not_sent(job, exc)
            return
        self.world.say("accepted", job.id, job.ticket.sent)
        job.state = "sent" if job.ticket.sent else "refused"
        if options.get("ticket") and rng.random() < 0.5:
            self.world.do_after(rng.uniform(0, 60), partial(self._cancel, job))

    def _send_many(self, queue, group, count):
        jobs, bodies = zip(*[self._new_job(queue.name, group) for _ in range(count)], strict=True)
        failed = {}
        try:
            queue.send_many([RawMessage(body=body) for body in bodies], group_id=group)
        except SendManyFailed as exc:
            failed = {each.number: each.error for each in exc.failures}
            if exc.untried_from is not None:
                failed |= {n: None for n in range(exc.untried_from, count) if n not in failed}
        for number, job in enumerate(jobs):
            if number in failed:
                self._not_sent(job, failed[number])
            else:
                job.state = "sent"

    def _not_sent(self, job, exc):
        if exc is not None and not isinstance(exc, SQSError | ConnectionError):
            raise exc
        doubtful = exc is not None and may_be_there(exc)
        job.state = "doubtful" if doubtful else "refused"
        self.world.say(job.state, job.id, repr(exc)[:100])

    def _cancel(self, job):
        try:
            cancelled = job.ticket.cancel()
        except (ConnectionError, SQSError):
            # It may be noted.
            job.state = "doubtful"
            return
        if cancelled:
            self.world.say("cancelled", job.id)
            job.state = "cancelled"
            if job.runs and not self._cache.failed:
                self.ledger.complain("cancelled, though it had started", job.id)
        elif self.ledger.calm and not (job.runs or job.again):
            self.world.run(1)
            if not job.runs:
                self.ledger.complain("not cancelled, though it had not started", job.id)
