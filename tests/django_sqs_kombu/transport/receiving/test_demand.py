"""Demand: nothing is received before there is somebody to run it."""

import gc
import time

import pytest

from django_sqs_kombu.transport.holding.held import Held, State
from django_sqs_kombu.transport.holding.table import MOST_OPEN, HeldMessages
from django_sqs_kombu.transport.receiving.demand import Answer, Demand
from django_sqs_kombu.transport.receiving.pace import Pace
from django_sqs_kombu.transport.receiving.prefetch import Prefetch


class FixedPace(Pace):
    def __init__(self, free, each=None):
        super().__init__()
        self.free = lambda: free
        self.each = each
        self._most_free = free

    def seconds_each(self):
        return self.each

    def look(self):
        return self.free(), self.each


class Gone(FixedPace):
    def look(self):
        return None


@pytest.fixture
def table():
    return HeldMessages()


@pytest.fixture
def demand(table):
    def demand(pace, *, seconds=60, room=None, **options):
        terms = {"seconds": lambda: seconds, "room": lambda queue, soon: room}
        return Demand("q", table, pace, **terms, **options)

    return demand


def fill(table, count, state=State.WAITING, queue="q"):
    for number in range(count):
        name = f"{queue}-{state.name}-{number}"
        held = Held(queue, {"ReceiptHandle": name, "MessageId": name}, 60, 0.0)
        table.receive(held, State.DELIVERED if state is State.SETTLING else state)
        if state is State.SETTLING:
            table.settle(held, delete=True)


def answered(demand, asked, messages, seconds=0.02, size=100):
    demand.answered(asked, Answer(messages, size * messages, seconds))


@pytest.mark.parametrize(("free", "asked"), [(0, 0), (1, 1), (4, 4), (25, 10)])
def test_while_the_pace_is_unknown_it_asks_for_as_many_as_are_free(demand, free, asked):
    assert demand(FixedPace(free)).reserve() == asked


@pytest.mark.parametrize("state", [State.WAITING, State.DELIVERED, State.SETTLING])
def test_one_by_one_nothing_is_asked_for_beside_another(demand, table, state):
    pace = FixedPace(4, each=0.001)
    demand = demand(pace, one_by_one=lambda: True)

    assert demand.reserve() == 1
    assert demand.reserve() == 0
    demand.answered(1, None)
    fill(table, 1, state)
    assert demand.reserve() == 0


def test_what_waits_already_is_for_those_who_are_free(demand, table):
    fill(table, 3)

    assert demand(FixedPace(4)).reserve() == 0
    assert demand(FixedPace(6)).reserve() == 3


def test_a_consumer_that_is_gone_is_given_nothing(demand):
    assert demand(Gone(4, 0.001)).reserve() == 0


def test_a_fast_consumer_is_given_full_requests(demand):
    wanted = demand(FixedPace(0, 0.001))

    assert wanted.reserve() == 10


def test_as_many_are_under_way_as_hide_the_latency(demand):
    wanted = demand(FixedPace(0, 0.001))
    asked = wanted.reserve()
    for _ in range(20):
        answered(wanted, asked, 10)
        asked = wanted.reserve()

    # 20 ms at 1 ms a message, half as many again, and a request's worth.
    assert 10 <= asked + sum(iter(wanted.reserve, 0)) <= 40


def test_no_more_than_can_be_started_within_a_third_of_the_visibility_timeout(demand):
    assert demand(FixedPace(0, 5.0), seconds=60).reserve() == 4
    assert demand(FixedPace(0, 5.0), seconds=6).reserve() == 0
    assert demand(FixedPace(1, 5.0), seconds=6).reserve() == 1


def test_the_prefetch_count_holds_whatever_the_pace(demand):
    assert demand(FixedPace(0, 0.001), room=3).reserve() == 3
    assert demand(FixedPace(4), room=2).reserve() == 2


def test_what_is_not_confirmed_holds_up_the_polls(demand, table):
    fill(table, 39, State.SETTLING)
    assert demand(FixedPace(1)).reserve() == 1

    fill(table, 40, State.SETTLING)
    assert demand(FixedPace(1)).reserve() == 0


def test_what_hides_the_latency_is_shared_by_the_queues_and_each_has_what_a_poll_brings(
    demand, table
):
    fast = FixedPace(10, each=0.001)
    mine = demand(fast)
    answered(mine, mine.reserve(), 10, seconds=0.1)
    assert mine.reserve() == 10
    mine.answered(10, None)

    # 100 milliseconds are 150 messages, and 10: so many wait already, of another queue.
    fill(table, 160, queue="other")
    assert mine.reserve() == 10
    assert mine.reserve() == 0


def test_while_much_of_all_queues_is_settled_each_has_what_a_poll_brings(demand, table):
    mine = demand(FixedPace(1000, each=0.0001))
    fill(table, MOST_OPEN, State.SETTLING, queue="other")

    assert mine.reserve() == 10
    assert mine.reserve() == 0
    mine.answered(10, None)
    fill(table, 4, State.SETTLING)
    assert mine.reserve() == 6


def test_large_bodies_are_fewer(demand):
    wanted = demand(FixedPace(0, 0.0001))
    for _ in range(30):
        answered(wanted, wanted.reserve(), 10, size=16 * 1024 * 1024)

    assert wanted.reserve() == 2


@pytest.mark.parametrize(
    ("each", "redrives", "messages"),
    [
        # Not known yet; ten; three of 5 s within 20 s of 4 receivers; one, however slow.
        (None, False, 1),
        (0.001, False, 10),
        (1.6, False, 3),
        (60.0, False, 1),
        (0.001, True, 1),
    ],
)
def test_a_poll_of_a_fifo_queue_counts_for_one_and_brings_what_is_started_soon(
    demand, each, redrives, messages
):
    wanted = demand(FixedPace(4, each), seconds=60, fifo=True, redrives=lambda: redrives)

    assert wanted.reserve() == 1
    assert wanted.messages(1) == messages


@pytest.mark.parametrize(("redrives", "messages"), [(False, 10), (True, 1)])
def test_several_of_a_group_are_gathered_only_where_receives_do_not_count(
    demand, redrives, messages
):
    wanted = demand(FixedPace(1, 0.001), fifo=True, redrives=lambda: redrives, gathers=lambda: 20)

    places = wanted.reserve()
    assert places == messages
    assert wanted.messages(places) == messages


def test_messages_behind_others_of_their_group_are_for_nobody_who_is_free(demand, table):
    for number in range(5):
        message = {"ReceiptHandle": str(number), "MessageId": str(number)}
        held = Held("q.fifo", {**message, "Attributes": {"MessageGroupId": "a"}}, 60, 0.0)
        table.receive(held)
        table.announce(held.queue, [held])

    assert demand(FixedPace(1)).reserve() == 0
    assert demand(FixedPace(4)).reserve() == 3


def test_for_a_consumer_that_may_leave_a_tenth_of_what_it_took_may_wait(demand):
    pace = Pace()
    demand = demand(pace, on_credit=lambda: True)
    asked = []
    for _ in range(100):
        pace.comes()
        count = demand.reserve()
        asked.append(count)
        demand.answered(count, None)
        pace.takes_one(time.monotonic())
    pace.comes()

    assert asked[:10] == [1] * 10
    assert max(asked) == 10
    assert demand.reserve() == 10

    demand.answered(10, None)
    pace.forget()
    assert demand.reserve() == 1


def test_places_that_an_event_loop_will_have_soon_count(table):
    prefetch = Prefetch(table)
    prefetch.count = 40
    fill(table, 30, State.DELIVERED)

    assert prefetch.room("q", soon=25) == 10
    table.shares_places = True
    assert prefetch.room("q", soon=25) == 35
    prefetch.bound("q", lambda: 31)
    assert prefetch.room("q", soon=25) == 1


def test_it_waits_only_for_its_own_to_be_taken_where_nothing_else_can_make_places(table, demand):
    """Else a queue that must be polled first waits until the others' messages are gone."""
    known = demand(FixedPace(0, each=0.002))
    fill(table, 5)
    answered(known, 0, 10)

    assert known.reserve()
    assert not known.for_ends

    fill(table, 1, queue="other")
    known.reserve()
    assert known.for_ends


@pytest.mark.parametrize("state", [None, State.DELIVERED])
def test_it_looks_at_each_end_while_none_of_its_own_waits(table, demand, state):
    known = demand(FixedPace(0, each=0.001))
    if state is not None:
        fill(table, 5, state)

    known.reserve()

    assert known.for_ends


@pytest.mark.parametrize("options", [{"fifo": True}, {"gathers": lambda: 5}])
def test_it_looks_at_each_end_where_that_decides(table, demand, options):
    known = demand(FixedPace(1, each=0.001), **options)
    fill(table, 5)

    known.reserve()

    assert known.for_ends


def test_it_looks_at_each_end_while_the_pace_is_unknown(table, demand):
    unknown = demand(FixedPace(1))
    fill(table, 5)

    unknown.reserve()

    assert unknown.for_ends


def test_it_looks_at_each_end_while_many_are_still_to_be_confirmed(table, demand):
    known = demand(FixedPace(0, each=0.001))
    fill(table, 1)
    fill(table, 38, State.SETTLING)

    known.reserve()

    assert known.for_ends


def test_a_queue_whose_timeout_is_not_known_yet_is_polled_while_another_keeps_messages(
    table, demand
):
    """Only a poll makes it known."""
    fill(table, 50, queue="other")

    assert demand(FixedPace(0, 0.001), seconds=None).reserve() == 10


@pytest.fixture
def queue(table):
    """Make the demand of a queue, one of several of one consumer, by its timeout."""
    pace = FixedPace(0, 0.05)

    def queue(name, seconds, *woken, **more):
        terms = {"seconds": lambda: seconds, "room": lambda queue, soon: None, **more}
        return Demand(name, table, pace, **terms, wake=lambda: [each(name) for each in woken])

    return queue


def take(table, queue, count):
    for _ in range(count):
        table.take(queue)


def announce(table, queue, count):
    fill(table, count, queue=queue)
    table.announce(queue, table.all(State.WAITING))


def test_no_more_waits_than_is_started_soon_for_the_shortest_timeout(table, queue):
    """What waits is started in the order it came in, whichever queue it is from."""
    announce(table, "long", 50)
    short, busy = queue("short", 5), queue("busy", 600)
    # 33 are started within a third of 5 seconds.
    assert [short.reserve(), busy.reserve()] == [0, 0]

    take(table, "long", 25)
    assert short.reserve() == 8
    assert busy.reserve() == 8


def test_a_queue_that_is_consumed_no_more_bounds_no_other(table, queue):
    announce(table, "long", 50)
    busy, short = queue("busy", 600), queue("short", 5)
    short.reserve()
    assert busy.reserve() == 0

    del short
    gc.collect()
    assert busy.reserve() == 10


def test_what_others_have_asked_for_counts_where_it_comes(table, queue):
    announce(table, "long", 23)
    first, second = queue("first", 5), queue("second", 5)
    answered(first, first.reserve(), 10)
    take(table, "long", 10)

    # 13 wait, and 20 more may.
    assert first.reserve() == 10
    assert second.reserve() == 10
    assert queue("third", 5).reserve() == 10
    answered(second, 10, 10)
    assert second.reserve() == 10
    assert queue("fourth", 5).reserve() == 0


def test_who_has_nothing_here_and_was_refused_asks_first_when_there_is_room(table, queue):
    woken = []
    announce(table, "busy", 50)
    busy, waits = queue("busy", 5, woken.append), queue("waits", 5, woken.append)
    assert waits.reserve() == 0

    take(table, "busy", 50)
    assert busy.reserve() == 0
    assert woken == ["waits", "busy"]
    assert [waits.reserve(), busy.reserve()] == [10, 10]


def test_several_that_were_refused_ask_in_the_order_in_which_they_were(table, queue):
    woken = []
    announce(table, "busy", 50)
    one, two, three = (queue(name, 5, woken.append) for name in ("one", "two", "three"))
    assert [each.reserve() for each in (one, two, three)] == [0, 0, 0]
    take(table, "busy", 50)

    assert three.reserve() == 0
    assert woken == ["one", "three"]
    assert one.reserve() == 10
    assert three.reserve() == 10
    assert two.reserve() == 10


def test_one_that_asks_no_more_holds_up_others_once(table, queue):
    announce(table, "busy", 50)
    busy, paused = queue("busy", 5), queue("paused", 5)
    assert paused.reserve() == 0
    take(table, "busy", 50)

    assert [busy.reserve(), busy.reserve()] == [0, 10]


def test_a_queue_gives_way_to_none_of_a_lower_priority(table, queue):
    woken = []
    announce(table, "busy", 50)
    urgent, usual = queue("urgent", 5, woken.append, priority=1), queue("usual", 5, woken.append)
    assert usual.reserve() == 0
    take(table, "busy", 50)

    assert urgent.reserve() == 10
    assert woken == []
