"""Ledger: what was sent and what became of it; all that must hold of that is said here.

Nothing is lost: what was sent comes to its end, unless it was deleted on start.  Nothing runs
again after its end, or twice at once, but after a kill, or where answers are lost.  What SQS
surely has not taken, what was cancelled, what has expired and what is not due is not run.  A FIFO
group runs in order, one at a time.  No message starts without a lease.  Nothing is buried that was
not started so often as its queue demands.  No two of one unique key run at once.
"""

import json
import math
from base64 import b64decode
from collections import Counter, defaultdict
from dataclasses import dataclass

#: Seconds that a request may take between the look whether a message runs, and its run.
NEAR = 7.0


@dataclass(eq=False)
class Job:
    """A message as its sender knows it.

    :ivar tries: what each run comes to; the last one also what follows.
    :ivar state: ``"sending"``, ``"sent"``, ``"doubtful"``, ``"refused"`` or ``"cancelled"``.
    :ivar wasted: how many receives may have started nothing.
    :ivar again: whether it may run again without a fault of anybody's.
    """

    id: str
    queue: str
    group: str | None
    tries: list
    due: float = 0.0
    expires: float = math.inf
    key: str | None = None
    key_until: float = 0.0
    ticket: object = None
    state: str = "sending"
    runs: int = 0
    running: int = 0
    wasted: int = 0
    again: bool = False
    goes_on: bool = False
    buried: bool = False
    end: str | None = None


class Ledger:
    """Takes note of jobs, and complains of what must not be."""

    def __init__(self, world, sqs, s3, complain, *, calm):
        self.world, self.sqs, self.s3, self.calm = world, sqs, s3, calm
        self.complain = complain
        self._named_by, self._kills = {}, False
        # While its payload is there.
        sqs.heard = self.found
        #: Of queues, by their names.
        self.options = {}
        self.jobs = {}
        #: Those of one group, or of one key, in the order in which they were sent.
        self._kin = defaultdict(list)
        #: When a job began last, by queue.
        self.began = Counter()

    def new(self, queue, group, tries, **more):
        # The point ends the number.
        job = Job(f"job-{len(self.jobs)}.", queue, group, tries, **more)
        self.jobs[job.id] = job
        self._kin[queue, "group", group].append(job)
        self._kin[queue, "key", job.key].append(job)
        return job

    def found(self, message):
        """The job of a message in SQS; None: it is of another kind."""
        if not hasattr(message, "job"):
            named = self._named_by.get(message.body) or _named(self._text(message.body))
            # Another with the same payload may come when that is gone.
            self._named_by[message.body] = named
            message.job = self.jobs.get(named)
        return message.job

    def messages(self, job):
        there = self.sqs.queues[job.queue].messages
        return [each for each in there if each.there and self.found(each) is job]

    def is_orphan(self, message):
        """Whether it is the double of one that is done, which had the same payload in S3."""
        job = self.found(message)
        gone = "s3Key" in message.body and not self._text(message.body)
        return not self.calm and gone and job is not None and bool(job.end)

    # What happens to one.

    def starts(self, job):
        self.world.say("run", job.id, job.runs + 1, self.world.process.name)
        excused = job.again or not self.calm
        problems = {
            "run, though SQS had not taken it": job.state == "refused",
            "run, though it was cancelled": job.state == "cancelled",
            "run after it had expired": self.world.now > job.expires + NEAR and not job.goes_on,
            "run before its time": self.world.now < job.due - 1.0,
            "run after its end": job.end and not excused,
            "run twice at once": job.running and not excused,
            "run without a lease": self.calm and not self._is_leased(job),
        }
        for problem, there in problems.items():
            if there:
                self.complain(problem, job.id)
        self._check_others(job, excused=excused)
        job.runs += 1
        job.running += 1
        self.began[job.queue] = self.world.now

    def _is_leased(self, job):
        if self.options[job.queue].get("delete_on_start"):
            return True
        return any(each.visible_at > self.world.now for each in self.messages(job))

    def _check_others(self, job, *, excused):
        for other in self._kin[job.queue, "key", job.key] if job.key else ():
            beside = other.running and not (other.again or excused or other is job)
            if beside and other.key_until > self.world.now:
                self.complain("run beside another of its key", job.id, other.id)
        for other in self._kin[job.queue, "group", job.group] if job.group else ():
            if other is job:
                break
            if other.state == "sent" and not (other.end or other.expires < self.world.now):
                self.complain("run before one of its group", job.id, other.id)
            elif other.running and not (other.again or excused):
                self.complain("run beside one of its group", job.id, other.id)

    def ends(self, job, outcome):
        """A run has ended, and with it the job, if *outcome* says so."""
        job.running -= 1
        self.world.say("ran", job.id, outcome)
        if outcome == "continued":
            # What goes on has started before.
            job.goes_on = True
        options = self.options[job.queue]
        goes = options.get("delete_on_start") or "max_receives" not in options
        if (goes and outcome == "fails") or outcome in ("done", "hopeless"):
            job.end = outcome

    def killed(self):
        """A process was killed: what was there may run again."""
        self._kills = True
        for job in self._there():
            job.again, job.wasted = True, job.wasted + 1

    def stopped(self):
        """A process stops without the time to start what it receives: that is given back."""
        for job in self._there():
            job.wasted += 1

    def _there(self):
        return [job for job in self.jobs.values() if not job.end or self.messages(job)]

    # The end.

    def look(self):
        """See what SQS has buried."""
        while self.sqs.buried:
            message = self.sqs.buried.pop()
            if (job := self.found(message)) is None:
                continue
            job.buried = True
            if job.end != "hopeless":
                job.end = job.end or "buried"
                options = self.options[job.queue]
                most = options["max_receives"]
                # A pause gives back what waits, which counts.
                paused = "breaker" in options or self.sqs.queues[job.queue].tags
                told = self.calm and not paused
                if told and job.runs + job.wasted < most:
                    self.complain("buried while it had tries left", job.id, message.id)

    def check(self):
        """That all has come to an end."""
        for job in self.jobs.values():
            options = self.options[job.queue]
            if options.get("delete_on_start") and (job.again or not self.calm):
                # It is logged.
                continue
            if job.state == "sent" and not (job.end or job.expires < self.world.now):
                self.complain("lost", job.id)
            if job.end == "hopeless" and "dead_letter" in options and not job.buried:
                self.complain("not among the dead letters", job.id)
        # A kill also ends what deletes them.
        for key, content in () if self._kills or not self.calm else self.s3.objects.items():
            job = self.jobs.get(_named(self._plain(content.decode())))
            if job is not None and not job.again and job.end == "done":
                self.complain("its payload was left in S3", job.id, key)

    # What a body says.

    def _text(self, body):
        text = self._plain(body)
        if "s3Key" in text:
            content = self.s3.objects.get(json.loads(text)[1]["s3Key"], b"")
            return self._plain(content.decode())
        return text

    def _plain(self, body):
        try:
            text = body if body.lstrip()[:1] in "[{" else b64decode(body).decode()
            envelope = json.loads(text)
            inner = envelope["body"]
            return inner if "job-" in inner else b64decode(inner).decode()
        except (ValueError, KeyError, TypeError):
            return body


def _named(text):
    begin = text.find("job-")
    return text[begin : text.find(".", begin) + 1] if begin >= 0 else None
