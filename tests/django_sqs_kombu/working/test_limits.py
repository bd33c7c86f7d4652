"""What may not run is not received: concurrency, rates and breakers."""

import logging
import threading
import time
from types import SimpleNamespace

import pytest

from django_sqs_kombu import Breaker, ConfigurationError, ReceiverConsumer, RestartLater, Retry
from django_sqs_kombu.transport.receiving.message_limit import LocalLimit
from django_sqs_kombu.working import Rate, RateLimit
from django_sqs_kombu.working.breaker import Circuit, Trip
from django_sqs_kombu.working.circuits import Circuits
from django_sqs_kombu.working.limits import Limits


class Clock:
    def __init__(self):
        self.now = 1_000_000.0

    def time(self):
        return self.now

    monotonic = time

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("django_sqs_kombu.working.rate.time", clock)
    monkeypatch.setattr("django_sqs_kombu.working.breaker.time", clock)
    return clock


class SharedCounter:
    """Counts for several limits, and may be away."""

    def __init__(self):
        self.counts = {}
        self.away = False
        self.lock = threading.Lock()

    def __call__(self, name, count, seconds):
        if self.away:
            raise ConnectionError("the cache is away")
        with self.lock:
            self.counts[name] = self.counts.get(name, 0) + count
            return self.counts[name]


def reserved(limit, count):
    """What a limit grants, where it asks a counter in a thread."""
    first = limit.reserve(count)
    answered()
    second = limit.reserve(count - first)
    answered()
    return first + second


def answered():
    for thread in threading.enumerate():
        if thread.name == "sqs-rate":
            thread.join(5)


# Rates


@pytest.mark.parametrize(
    ("text", "window", "shares"),
    [
        ("900/m", 1, [15, 15, 15]),
        ("90/m", 1, [1, 2, 1, 2]),
        ("30/h", 120, [1, 1, 1]),
        ("2/s", 1, [2, 2]),
        ("1/d", 86_400, [1]),
    ],
)
def test_a_rate_comes_evenly(text, window, shares):
    rate = Rate.read(text)

    assert rate.window == window
    assert [rate.share(number) for number in range(len(shares))] == shares
    windows = int(rate.seconds / rate.window)
    assert sum(rate.share(number) for number in range(windows)) == rate.count


@pytest.mark.parametrize("text", ["900", "900/x", "0/s", "-1/m", "1.5/s", 900, "900 / m"])
def test_rates_that_are_none(receivers, text):
    with pytest.raises(ConfigurationError, match="rate must be a number of messages"):
        receivers.register("orders", print, rate=text)


def test_a_window_has_its_share_and_the_next_its_own(clock):
    limit = RateLimit("q", Rate.read("5/s"))

    assert [limit.reserve(4), limit.reserve(4), limit.reserve(4)] == [4, 1, 0]
    clock.now += 1
    assert limit.reserve(10) == 5


def test_what_a_poll_did_not_bring_may_come_in_the_same_window(clock):
    limit = RateLimit("q", Rate.read("5/s"))
    limit.reserve(5)
    limit.settle(5, 2)

    assert limit.reserve(5) == 3
    clock.now += 1
    # A poll of the window before ends now: what it left is gone with that.
    limit.settle(3, 0)
    assert limit.reserve(10) == 5


def test_all_workers_share_a_rate(clock):
    counter = SharedCounter()
    limits = [RateLimit("q", Rate.read("9/s"), counter) for _ in range(4)]

    assert sum(reserved(limit, 4) for limit in limits) == 9
    clock.now += 1
    assert sum(reserved(limit, 4) for limit in limits) == 9


def test_a_counter_that_is_away_lets_nothing_through_and_is_asked_again(clock, caplog):
    counter = SharedCounter()
    counter.away = True
    limit = RateLimit("q", Rate.read("5/s"), counter)

    assert reserved(limit, 4) == 0
    assert "cannot be counted, trying again" in caplog.text
    counter.away = False
    assert reserved(limit, 4) == 4


@pytest.mark.parametrize(("slowness", "least"), [(0.3, 80), (1.2, 70), (2.5, 20)])
def test_a_counter_that_is_slow_slows_a_queue_but_does_not_stop_it(clock, slowness, least):
    counter = SharedCounter()

    def slow(name, count, seconds):
        total = counter(name, count, seconds)
        clock.now += slowness
        return total

    limit = RateLimit("q", Rate.read("10/s"), slow)
    start, came = clock.now, 0
    while clock.now < start + 10:
        granted = limit.reserve(4)
        limit.settle(granted, granted)
        came += granted
        answered()
        clock.now += 0.01

    assert least <= came <= sum(counter.counts.values())
    # Each window of the time has ten.
    assert came <= 110


def test_a_process_without_a_thread_to_spare_counts_later(clock, monkeypatch):
    limit = RateLimit("q", Rate.read("5/s"), SharedCounter())

    def start(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError):
            limit.reserve(4)

    assert reserved(limit, 4) == 4


# Breakers


FAILED = ConnectionError("the API is away")


def test_a_breaker_opens_tries_one_and_closes(clock, caplog):
    opened = []
    circuit = Circuit("q", Breaker(0.5, of=4, pause=60), opened.append)
    for raised in (None, None, None, FAILED, RestartLater()):
        circuit.ended(raised)
    assert circuit.reserve(10) == 10
    circuit.ended(FAILED)

    assert opened == [Trip(60, 2, 4)]
    assert circuit.refuses()
    assert circuit.reserve(10) == 0
    # What ran before says nothing of how it is now.
    circuit.ended(None)
    clock.now += 61
    assert [circuit.reserve(10), circuit.reserve(10)] == [1, 0]
    circuit.settle(1, 1)
    assert not circuit.refuses()
    circuit.ended(FAILED)
    assert opened[1:] == [Trip(60, 1, 1, again=True)]
    assert circuit.reserve(10) == 0
    clock.now += 61
    assert circuit.reserve(10) == 1
    # Nothing came, so the next poll tries.
    circuit.settle(1, 0)
    assert circuit.reserve(10) == 1
    circuit.settle(1, 1)
    circuit.ended(None)
    assert circuit.reserve(10) == 10
    assert not circuit.is_open
    assert opened[2:] == [None]
    assert [r.levelno for r in caplog.records] == [logging.ERROR, logging.WARNING]


def test_a_message_that_was_tried_and_is_not_heard_of_stops_a_queue_for_a_pause_only(clock):
    circuit = Circuit("q", Breaker(of=1, pause=60))
    circuit.ended(FAILED)
    clock.now += 61
    assert circuit.reserve(10) == 1
    circuit.settle(1, 1)
    assert circuit.reserve(10) == 0
    clock.now += 61
    assert circuit.reserve(10) == 1


def test_a_pause_of_another_process_is_followed_and_shortens_none(clock):
    circuit = Circuit("q", Breaker(of=1, pause=60))
    circuit.shut(30)
    assert [circuit.reserve(10), circuit.refuses()] == [0, True]
    clock.now += 31
    assert [circuit.reserve(10), circuit.reserve(10)] == [1, 0]
    circuit.settle(1, 1)
    circuit.ended(FAILED)

    circuit.shut(5)
    clock.now += 31
    assert circuit.reserve(10) == 0
    clock.now += 30
    assert circuit.reserve(10) == 1
    circuit.settle(1, 1)
    circuit.ended(None)
    assert circuit.reserve(10) == 10


def test_what_failed_before_another_process_paused_the_queue_is_not_counted_after(clock):
    circuit = Circuit("q", Breaker(0.5, of=4, pause=60))
    for _ in range(3):
        circuit.ended(FAILED)
    circuit.shut(30)
    clock.now += 31
    assert circuit.reserve(10) == 1
    circuit.settle(1, 1)
    circuit.ended(None)
    circuit.ended(None)

    assert circuit.reserve(10) == 10


def test_a_queue_whose_connection_is_made_anew_keeps_its_breaker(clock, receivers):
    def receive(message):
        pass

    registered = receivers.register("q", receive, breaker=Breaker(of=2, pause=60))
    channel = SimpleNamespace(give_back_waiting=lambda queue: None, pollers={})
    circuits = Circuits(receivers)
    circuits.limit(registered, "q", channel)
    for _ in range(2):
        circuits.ended("q", FAILED)
    assert circuits.refuses("q")

    limit = circuits.limit(registered, "q", channel)

    assert circuits.refuses("q")
    assert limit.reserve(10) == 0
    clock.now += 61
    assert limit.reserve(10) == 1


def test_a_queue_whose_connection_is_made_anew_keeps_its_rate(receivers):
    registered = receivers.register("q", print, rate="5/d")
    circuits = Circuits(receivers)
    assert circuits.limit(registered, "q", None).reserve(10) > 0

    assert circuits.limit(registered, "q", None).reserve(10) == 0


def test_only_what_it_names_opens_it(clock):
    circuit = Circuit("q", Breaker(of=2, on=ConnectionError))
    for _ in range(10):
        circuit.ended(ValueError())

    assert not circuit.is_open


@pytest.mark.parametrize(
    "options",
    [
        {"failures": 0},
        {"failures": 1.5},
        {"of": 0},
        {"pause": 0},
        {"on": "OSError"},
        {"on": ()},
        {"shared": "yes"},
    ],
)
def test_breakers_that_cannot_work(options):
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Breaker(**options)


# Together


def test_what_one_limit_does_not_grant_the_others_keep(clock):
    messages, rate = LocalLimit(10), RateLimit("q", Rate.read("3/s"))
    both = Limits([messages, rate])

    assert both.reserve(8) == 3
    both.settle(3, 3)
    assert both.reserve(8) == 0
    clock.now += 1
    assert both.reserve(8) == 3
    both.settle(3, 3)
    assert messages.reserve(10) == 4


# At a real server


@pytest.fixture
def running(receivers):
    started = []

    def running(**options):
        consumer = ReceiverConsumer(receivers, **options)
        thread = threading.Thread(target=consumer.run, daemon=True)
        thread.start()
        started.append((consumer, thread))
        return consumer

    yield running
    for consumer, thread in started:
        consumer.stop()
        thread.join(20)
        assert not thread.is_alive()


def until(done, timeout=30):
    deadline = time.monotonic() + timeout
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert done()


def test_no_more_run_than_the_concurrency_and_no_more_is_received(receivers, running, counts):
    lock, now, most, done, free = threading.Lock(), [0], [0], [], []

    def receive(message):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.05)
        with lock:
            now[0] -= 1
        done.append(message.attributes["ApproximateReceiveCount"])

    def other(message):
        free.append(1)

    queue = receivers.register("orders", receive, concurrency=2)
    receivers.register("other", other)
    queue.send_many(str(n) for n in range(30))
    receivers.send_many("other", (str(n) for n in range(30)))
    running(threads=8)
    until(lambda: len(done) == 30 and len(free) == 30)

    assert most[0] == 2
    assert set(done) == {"1"}


def test_a_rate_holds_at_a_server(receivers, running, counts):
    times = []
    queue = receivers.register("orders", lambda message: times.append(time.time()), rate="5/s")
    queue.send_many(str(n) for n in range(25))
    running(threads=4)
    until(lambda: len(times) == 25)

    assert times[-1] - times[0] >= 3
    until(lambda: sum(counts(queue.full_name())) == 0)


def test_an_outage_of_what_a_queue_needs_buries_nothing(receivers, running, counts):
    away, done, failed = threading.Event(), [], []
    away.set()

    def receive(message):
        if away.is_set():
            failed.append(message.id)
            raise FAILED
        done.append(message.get_body())

    queue = receivers.register(
        "orders",
        receive,
        retry=Retry(ConnectionError, tries=8, backoff=2),
        breaker=Breaker(of=10, pause=1, on=ConnectionError),
        dead_letter_queue="dead",
    )
    queue.send_many(str(n) for n in range(200))
    running(threads=4)
    until(lambda: len(failed) >= 11)
    time.sleep(3)
    tried = len(failed)
    away.clear()
    until(lambda: len(done) == 200, timeout=90)

    # Ten, what ran beside them, and one for each pause.
    assert tried <= 25
    assert sum(counts(f"{receivers.prefix}__dead")) == 0
    assert sorted(map(int, done)) == list(range(200))
