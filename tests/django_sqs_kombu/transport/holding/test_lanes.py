"""Lanes: a message group's messages are taken in order, one at a time, and given back together."""

import pytest

from django_sqs_kombu.exceptions import TimedOut
from django_sqs_kombu.transport.holding.held import Held, State
from django_sqs_kombu.transport.holding.table import LEAST_OPEN, HeldMessages


class Watcher:
    """Hears of messages that may be taken."""

    def __init__(self, ready):
        self.ready = ready

    def room(self, places):
        """More may come, and none does."""

    ended = room


@pytest.fixture
def table():
    table = HeldMessages()
    table.ready, table.broken = [], []
    table.watch("q.fifo", Watcher(lambda: table.ready.append("q.fifo")))
    table.on_broken = lambda held: table.broken.extend(each.message_id for each in held)
    return table


@pytest.fixture
def come(table):
    """Messages such as ``a1``, the first of group a, come; which of them may be taken is told."""

    def come(*names, queue="q.fifo"):
        found = {}
        for name in names:
            message = {
                "ReceiptHandle": f"r-{name}",
                "MessageId": name,
                "Attributes": {"MessageGroupId": name[0]},
            }
            held = found[name] = Held(queue, message, 60, 0.0)
            table.receive(held)
        return found, [name for name, held in found.items() if table.announce(held.queue, [held])]

    return come


def delete(table, held):
    assert table.settle(held, delete=True)
    table.end(held, deleted=True)


def test_a_timeout_that_strikes_while_the_next_is_told_of_leaves_none_to_be_settled(table, come):
    """One was taken to be settled still, for ever, and as many fewer messages were asked for."""
    come("a1", "a2")
    first = table.take("q.fifo")

    def interrupted():
        raise TimedOut(1)

    table.watch("q.fifo", Watcher(interrupted))
    with pytest.raises(TimedOut):
        delete(table, first)

    assert table.figures("q.fifo") == (1, 1, LEAST_OPEN - 1)


def test_the_first_of_each_group_may_be_taken(table, come):
    _, takeable = come("a1", "a2", "b1", "a3", "b2")

    assert takeable == ["a1", "b1"]
    assert [table.take("q.fifo").message_id for _ in range(2)] == ["a1", "b1"]
    assert table.take("q.fifo") is None
    assert table.all_waiting == 3
    assert table.all_startable == table.startable("q.fifo") == 0


def test_the_next_may_be_taken_when_the_first_is_deleted_and_no_sooner(table, come):
    held, _ = come("a1", "a2")
    assert table.take("q.fifo") is held["a1"]

    assert table.settle(held["a1"], delete=True)
    assert table.take("q.fifo") is None
    table.end(held["a1"], deleted=True)

    assert table.ready == ["q.fifo"]
    assert table.take("q.fifo") is held["a2"]


def test_what_is_behind_one_that_is_restarted_is_given_back(table, come):
    held, _ = come("a1", "a2", "a3", "b1")
    table.take("q.fifo")

    table.settle(held["a1"], delete=False)

    assert table.broken == ["a2", "a3"]
    assert table.take("q.fifo") is held["b1"]


@pytest.mark.parametrize("deciding", [True, False])
def test_what_is_behind_one_that_is_lost_is_given_back(table, come, deciding):
    held, _ = come("a1", "a2")
    table.take("q.fifo")
    if deciding:
        table.settle(held["a1"], delete=True)

    table.end(held["a1"])

    assert table.broken == ["a2"]
    assert table.ready == []


def test_one_in_the_middle_that_is_given_back_takes_those_behind_it_along(table, come):
    held, _ = come("a1", "a2", "a3")

    table.settle(held["a2"], delete=False)

    assert table.broken == ["a3"]
    table.take("q.fifo")
    delete(table, held["a1"])
    assert table.ready == []
    # The third is given back by whoever is told of it.
    assert table.take("q.fifo") is None


def test_a_group_that_was_given_back_begins_anew(table, come):
    held, _ = come("a1", "a2")
    table.take("q.fifo")
    for each in held.values():
        table.settle(each, delete=False)
        table.end(each)

    again, takeable = come("a1", "a2")

    assert takeable == ["a1"]
    assert table.take("q.fifo") is again["a1"]


def test_a_standard_queue_has_no_lanes(come, table):
    _, takeable = come("a1", "a2", queue="q")

    assert takeable == ["a1", "a2"]
    assert table.all_startable == 2


def test_a_deletion_that_could_not_be_sent_leaves_the_lane_as_it_was(table, come):
    held, _ = come("a1", "a2")
    table.take("q.fifo")
    table.settle(held["a1"], delete=True)

    table.unsettle(held["a1"])

    assert held["a1"].state is State.DELIVERED
    assert table.broken == table.ready == []
    delete(table, held["a1"])
    assert table.take("q.fifo") is held["a2"]


class TestBatches:
    """What goes with the first of its group into one batch."""

    def test_those_behind_go_with_it_in_order_as_far_as_there_is_room(self, table, come):
        held, _ = come("a1", "a2", "a3", "a4", "b1")
        first = table.take("q.fifo")

        taken = table.take_behind(first, 2)

        assert taken == [held["a2"], held["a3"]]
        assert table.delivered("q.fifo") == 3
        # a4 is behind still.
        assert table.startable("q.fifo") == table.all_startable == 1
        assert table.take_behind(held["a2"], 5) == []
        assert table.take_behind(first, 0) == []

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
    def test_the_next_may_be_taken_when_all_of_them_are_deleted(self, table, come, order):
        held, _ = come("a1", "a2", "a3", "a4")
        first = table.take("q.fifo")
        batch = [first, *table.take_behind(first, 2)]

        for number in order:
            assert table.take("q.fifo") is None
            delete(table, batch[number])

        assert table.take("q.fifo") is held["a4"]
        assert table.startable("q.fifo") == table.all_startable == 0

    def test_one_that_stays_has_those_given_back_that_nobody_took(self, table, come):
        come("a1", "a2", "a3", "b1")
        first = table.take("q.fifo")
        [second] = table.take_behind(first, 1)

        table.settle(first, delete=False)

        assert table.broken == ["a3"]
        table.settle(second, delete=False)
        assert table.startable("q.fifo") == table.all_startable
        _, may_be_taken = come("a4")
        assert may_be_taken == ["a4"]

    def test_the_second_stays_and_the_first_is_deleted(self, table, come):
        come("a1", "a2", "a3")
        first = table.take("q.fifo")
        [second] = table.take_behind(first, 1)

        table.settle(second, delete=False)
        delete(table, first)

        assert table.broken == ["a3"]
        _, may_be_taken = come("a4")
        assert may_be_taken == ["a4"]


def again(name):
    """A message as it is received for the second time."""
    message = {"ReceiptHandle": f"r2-{name}", "MessageId": name}
    return Held("q.fifo", {**message, "Attributes": {"MessageGroupId": name[0]}}, 60, 1.0)


def receive_again(table, *names):
    new = table.receive_all("q.fifo", [again(name) for name in names])
    table.announce("q.fifo", new)
    return [held.message_id for held in new]


@pytest.mark.parametrize("confirmed", [["a2"], []])
def test_what_comes_again_with_one_whose_return_is_not_confirmed_does_not_overtake_it(
    table, come, confirmed
):
    """SQS has made it visible, but the answer was lost: it is made visible once more."""
    held, _ = come("a1", "a2", "b1")
    table.take("q.fifo")
    for name in ("a1", "a2"):
        table.settle(held[name], delete=False)
    for name in confirmed:
        table.end(held[name])

    new = receive_again(table, "a1", "a2", "a3")

    assert new == [*confirmed, "a3"]
    assert table.take("q.fifo") is held["b1"]
    assert table.take("q.fifo") is None
    assert table.startable("q.fifo") == table.all_startable == 0
    table.broken.clear()
    # Confirmed now, it is left to others with what came with it.
    for name in {"a1", "a2"} - set(confirmed):
        table.end(held[name])
    assert table.broken == new
    assert table.take("q.fifo") is None


def test_nor_does_it_go_with_what_is_before_that_one(table, come):
    held, _ = come("a2")
    table.take("q.fifo")
    table.settle(held["a2"], delete=False)

    assert receive_again(table, "a1") == ["a1"]
    assert receive_again(table, "a2", "a3") == ["a3"]
    first = table.take("q.fifo")
    assert table.take_behind(first, 9) == []
    delete(table, first)
    assert table.take("q.fifo") is None
    table.end(held["a2"])
    assert table.broken == ["a3"]
