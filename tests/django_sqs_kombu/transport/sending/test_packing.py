"""Packing: a request is filled without a second look, and no message overtakes its group."""

import tracemalloc

from django_sqs_kombu import RequestFailed
from django_sqs_kombu.transport.sending.packing import FIFO_WINDOW, ByGroup, InOrder, Item


def items(*bodies, group=None):
    groups = {} if group is None else {"MessageGroupId": group}
    return [Item(n, body, {"MessageBody": body, **groups}) for n, body in enumerate(bodies)]


def grouped(*names):
    return (Item(n, name, {"MessageBody": name, "MessageGroupId": name[0]}) for n, name in names)


def names(batch):
    return [item.item for item in batch]


def failure():
    return RequestFailed("no!", operation="SendMessageBatch", queue="q.fifo", code="X")


def test_requests_are_full_by_number_or_by_bytes():
    packing = InOrder(iter(items(*map(str, range(12)), *["x" * 600_000] * 3)))

    assert [len(packing.next()) for _ in range(5)] == [10, 3, 1, 1, 0]


def test_what_found_no_room_is_left():
    packing = InOrder(iter(items("x" * 600_000, "y" * 600_000)))

    packing.next()

    assert names(packing.left()) == ["y" * 600_000]
    packing.next()
    assert packing.left() == []


def test_one_of_each_group_goes_and_the_next_when_that_has_landed():
    packing = ByGroup(grouped(*enumerate(["a1", "a2", "b1", "a3", "b2"])))

    first = packing.next()

    assert names(first) == ["a1", "b1"]
    assert packing.next() == []
    assert packing.landed(first, [None, None]) == []
    second = packing.next()
    assert names(second) == ["a2", "b2"]
    packing.landed(second, [None, None])
    assert names(packing.next()) == ["a3"]


def test_the_rest_of_a_group_fails_with_one_that_failed_what_is_read_later_too():
    packing = ByGroup(grouped(*enumerate(["a1", "a2", "b1", "b2", "a3"])))
    first = packing.next()

    held_back = packing.landed(first, [failure(), None])

    assert names(item for item, _ in held_back) == ["a2", "a3"]
    second = packing.next()
    assert names(second) == ["b2"]
    assert packing.landed(second, [None]) == []
    assert packing.next() == []
    assert packing.left() == []


def test_one_long_group_is_not_read_to_its_end_while_it_waits():
    read = []

    def endless():
        number = 0
        while True:
            read.append(number)
            yield Item(number, "a", {"MessageBody": "a", "MessageGroupId": "a"})
            number += 1

    packing = ByGroup(endless())

    batch = packing.next()
    for _ in range(5):
        assert packing.next() == []

    assert len(batch) == 1
    assert len(read) <= FIFO_WINDOW + 1
    assert len(packing.left()) <= FIFO_WINDOW


def test_large_messages_of_one_group_are_bounded_by_their_bytes():
    def endless():
        while True:
            yield Item(0, None, {"MessageBody": "x" * 1_000_000, "MessageGroupId": "a"})

    packing = ByGroup(endless())
    packing.next()
    packing.next()

    assert len(packing.left()) <= 35


def test_what_has_landed_is_kept_no_longer():
    def many():
        for number in range(20_000):
            group = f"g{number}"
            yield Item(number, None, {"MessageBody": "x" * 100, "MessageGroupId": group})

    packing = ByGroup(many())
    tracemalloc.start()
    while batch := packing.next():
        packing.landed(batch, [None] * len(batch))
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert kept < 100_000
