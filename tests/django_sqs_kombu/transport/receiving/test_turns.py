"""Turns: so many jobs at once, however soon each ends."""

import threading

from django_sqs_kombu.transport.receiving.turns import Turns


def test_so_many_at_once_and_the_others_when_one_ends():
    turns, begun, come = Turns(2), [], threading.Semaphore(0)

    def job(ended):
        begun.append(ended)
        come.release()

    for _ in range(5):
        turns.begin(job)
    assert come.acquire(timeout=5)
    assert come.acquire(timeout=5)
    assert not come.acquire(timeout=0.1)

    begun[0]()
    assert come.acquire(timeout=5)
    assert not come.acquire(timeout=0.1)
    begun[1](), begun[2]()
    assert come.acquire(timeout=5)
    assert come.acquire(timeout=5)
    assert len(begun) == 5


def test_thousands_that_end_at_once_do_not_begin_within_each_other():
    turns, last = Turns(1), threading.Event()
    for _ in range(3000):
        turns.begin(lambda ended: ended())
    turns.begin(lambda ended: (ended(), last.set()))
    assert last.wait(10)


def test_what_may_come_later_begins_when_nothing_waits_for_its_turn():
    turns, begun, last = Turns(1), [], threading.Event()
    turns.begin(begun.append)
    turns.begin_later(lambda ended: (begun.append("later"), ended(), last.set()))
    turns.begin(lambda ended: (begun.append("turn"), ended()))
    while not begun:
        last.wait(0.001)
    assert turns.crowded

    begun[0]()
    assert last.wait(10)
    assert begun[1:] == ["turn", "later"]
    assert not turns.crowded
