"""Figures: what was measured, as ratios to the loop of boto3 in the same run, beside its goals."""

import statistics
from dataclasses import asdict, dataclass

from .measures import LOOP, MANY, ON_OURS, ONE, SINGLE, STOCK, TEN


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure is to be: no more than a limit, or no less."""

    sense: str
    limit: float

    def met_by(self, value):
        return value <= self.limit if self.sense == "<=" else value >= self.limit

    def __str__(self):
        return f"{self.sense} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure.

    :ivar value: None where it could not be measured.
    :ivar unit: ``"x"`` for a ratio to the loop of boto3.
    :ivar seen: what the figure was made of.
    """

    what: str
    value: float | None
    unit: str
    goal: Goal | None = None
    seen: str = ""

    @property
    def met(self):
        """Whether the goal is met; None: there is none."""
        if self.goal is None:
            return None
        return self.value is not None and self.goal.met_by(self.value)

    def as_json(self):
        goal = None if self.goal is None else str(self.goal)
        return {**asdict(self), "goal": goal, "met": self.met}


def at_most(limit):
    return Goal("<=", limit)


def at_least(limit):
    return Goal(">=", limit)


def figures(raw):
    """The figures of each section that was measured, and one without a value for what failed."""
    found = []
    for section, measured in raw.items():
        if "error" in measured:
            found.append(Figure(section, None, "", seen=measured["error"]))
        else:
            found += _SECTIONS[section](measured)
    return found


#: By latency and contender: the goals of CPU a message and of messages a second.
_CONSUME = {
    ("0 ms", ONE): (at_most(0.30), at_least(4)),
    ("0 ms", TEN): (at_most(0.45), at_least(3)),
    ("20 ms", ONE): (at_most(0.30), at_least(60)),
    ("20 ms", TEN): (at_most(0.45), at_least(50)),
    ("0 ms", ON_OURS): (at_most(0.25), at_least(5)),
    ("20 ms", ON_OURS): (at_most(0.25), at_least(80)),
}


def _consume(measured):
    found = []
    for latency, looks in measured["looks"].items():
        for name in (ONE, TEN):
            found += _pair(f"receive, {latency}, {_threads(name)}", latency, looks, name, LOOP)
    memory = measured["rss_mb"]
    seen = f"boto3: {memory[LOOP]:.0f} MB"
    return [*found, Figure("memory, one queue", memory[ONE], "MB", at_most(60), seen)]


def _parts(measured):
    parts = measured["parts"]
    found = [Figure(f"part: {name}", value, "us") for name, value in parts.items()]
    return [*found, Figure("all parts of a message's way", sum(parts.values()), "us")]


def _celery(measured):
    found = []
    for latency, looks in measured["looks"].items():
        found += _pair(f"Celery, {latency}", latency, looks, ON_OURS, STOCK)
    return found


def _pair(what, latency, looks, name, floor):
    cpu, speed = _CONSUME.get((latency, name), (None, None))
    return [
        ratio(f"{what}: CPU a message", looks, name, floor, "cpu_us", "us", cpu),
        ratio(f"{what}: messages/s", looks, name, floor, "per_second", "/s", speed),
    ]


def _send(measured):
    found = []
    for name, floor, limit in ((ONE, SINGLE, 0.45), (TEN, SINGLE, 0.2), (MANY, LOOP, 0.75)):
        what = {ONE: "send, one by one", TEN: "send, 8 threads", MANY: "send_many"}[name]
        goal = at_most(limit)
        found += [
            ratio(f"{what}: CPU a message", measured, name, floor, "cpu_us", "us", goal),
            ratio(f"{what}: messages/s", measured, name, floor, "per_second", "/s"),
        ]
    return found


def ratio(what, looks, name, floor, measure, unit, goal=None):
    """The median of the ratios of each round, in which both were measured one after the other."""
    pairs = [
        (ours[measure], theirs[measure])
        for ours, theirs in zip(looks[name], looks[floor], strict=True)
    ]
    pairs = [(ours, theirs) for ours, theirs in pairs if ours is not None and theirs]
    if not pairs:
        return Figure(what, None, "x", goal, "nothing was handled")
    ours, theirs = (statistics.median(each) for each in zip(*pairs, strict=True))
    value = statistics.median(ours / theirs for ours, theirs in pairs)
    return Figure(what, value, "x", goal, f"{ours:,.0f} to {theirs:,.0f} {unit}")


def _sleeping(measured):
    found = []
    for row in measured["rows"]:
        allowed = row["possible"]
        name = (
            f"receivers of {row['pause'] * 1000:g} ms, {row['latency'] * 1000:g} ms, "
            f"{_count(row['threads'])}"
        )
        seen = f"{row['per_second']:,.0f} of {allowed:,.0f}/s"
        found += [
            Figure(
                f"{name}: of what is possible", row["per_second"] / allowed * 100, "%", None, seen
            ),
            Figure(f"{name}: most held unstarted", row["most_held"], "messages"),
        ]
    return found


def _fifo(measured):
    what, speed, requests = "FIFO, 100 groups, receivers of 50 ms, 20 ms, 10 threads", None, None
    if measured["burst"] == 1:
        speed, requests = at_least(150), at_most(0.5)
    else:
        what += f", {measured['burst']} of a group at once"
    seen = "200/s are possible"
    return [
        Figure(f"{what}: messages/s", measured["per_second"], "/s", speed, seen),
        Figure(f"{what}: requests a message", measured["requests_per_message"], "", requests),
    ]


def _idle(measured):
    what = f"{measured['queues']:,} idle queues"
    requests = ", ".join(f"{count:,} {name}" for name, count in measured["requests"].items())
    imports = measured.get("imported_in")
    began = "" if imports is None else f"after {imports:.2f} s of imports; "
    polling, each = measured["all_poll_seconds"], measured["poll_us"]
    # A poll for each of them in 20 s.
    at_rest = each / 1e6 * measured["queues"] / 20 * 100
    return [
        Figure(f"{what}: threads", measured["threads"], "", at_most(6)),
        Figure(f"{what}: memory", measured["rss_mb"], "MB", at_most(100)),
        Figure(f"{what}: CPU at rest", at_rest, "%", at_most(0.5), f"{each:.0f} us for a poll"),
        Figure(f"{what}: all poll after", polling, "s", at_most(1), began + requests),
        Figure(f"{what}: stop, broken off", measured["stop_seconds"], "s", at_most(0.2)),
    ]


def _full(measured):
    what = f"{measured['queues']:,} full queues"
    most, polls = measured["most_undeleted"], measured["most_polls"]
    seen = f"{most:,} undeleted, {polls:,} polls, {measured['per_second']:,.0f}/s"
    after = measured["in_flight_after_stop"]
    return [
        Figure(f"{what}: undeleted for each poll", most / max(1, polls), "", at_most(10), seen),
        Figure(f"{what}: in flight after a graceful stop", after, "messages", at_most(0)),
        Figure(f"{what}: graceful stop", measured["stop_seconds"], "s"),
        Figure(f"{what}: memory", measured["rss_mb"], "MB", at_most(100)),
    ]


def _tasks(measured):
    own, sent, received = measured["tasks"], measured["sent"], measured["received"]
    enqueued = {ONE: [{"cpu_us": own["enqueue_cpu_us"]}], LOOP: [sent]}
    run = {
        ONE: [{"cpu_us": own["cpu_us"], "per_second": own["tasks_per_second"]}],
        LOOP: [received],
    }
    return [
        ratio("django.tasks, enqueue_many: CPU a task", enqueued, ONE, LOOP, "cpu_us", "us"),
        ratio("django.tasks, worker: CPU a task", run, ONE, LOOP, "cpu_us", "us"),
        ratio("django.tasks, worker: tasks/s", run, ONE, LOOP, "per_second", "/s"),
    ]


def _threads(name):
    return _count(1 if name == ONE else 10)


def _count(threads):
    return "1 thread" if threads == 1 else f"{threads} threads"


_SECTIONS = {
    "consume": _consume,
    "parts": _parts,
    "sleeping": _sleeping,
    "fifo": _fifo,
    "fifo bursts": _fifo,
    "send": _send,
    "idle": _idle,
    "full 50": _full,
    "full 500": _full,
    "tasks": _tasks,
    "celery": _celery,
}
