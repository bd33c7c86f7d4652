"""Lanes: a message group's messages are taken in order, one at a time, and given back together."""

import pytest

from django_sqs_kombu.transport.holding.held import Held, HeldMessages, State


@pytest.fixture
def table():
    table = HeldMessages()
    table.ready, table.broken = [], []
    table.on_ready = table.ready.append
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
        return found, [name for name, held in found.items() if table.announce([held])]

    return come


def delete(table, held):
    assert table.settle(held, delete=True)
    table.end(held, deleted=True)


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
