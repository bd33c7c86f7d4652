"""Asking ahead: one question for many messages, and no message harmed by another's."""

import threading
import time

import pytest

from django_sqs_kombu.transport.holding import told
from django_sqs_kombu.transport.holding.ahead import ask_ahead
from django_sqs_kombu.transport.holding.held import Held
from django_sqs_kombu.transport.holding.table import HeldMessages


@pytest.fixture
def table():
    return HeldMessages()


def hold(table, *bodies):
    came = []
    for body in bodies:
        message = {"ReceiptHandle": f"r{body}", "MessageId": f"m{body}", "Body": body}
        came.append(Held("q", message, 60, time.monotonic()))
    table.receive_all("q", came)
    table.announce("q", came)


class Ask:
    """Answers with capitals, and keeps what it was asked."""

    def __init__(self):
        self.asked = []
        self.fails = False

    def __call__(self, bodies):
        self.asked.append(list(bodies))
        if self.fails:
            raise ConnectionError("away")
        return [body.upper() for body in bodies]


def test_those_in_line_are_asked_about_with_the_first(table):
    hold(table, "a", "b", "c")
    ask = Ask()

    assert [ask_ahead(table, table.take("q"), ask) for _ in range(3)] == ["A", "B", "C"]
    assert ask.asked == [["a", "b", "c"]]


def test_an_answer_that_is_old_counts_no_more(table, monkeypatch):
    hold(table, "a", "b")
    ask = Ask()
    ask_ahead(table, table.take("q"), ask)
    monkeypatch.setattr(told, "LASTS", -1.0)

    assert ask_ahead(table, table.take("q"), ask) == "B"
    assert ask.asked == [["a", "b"], ["b"]]


def test_what_came_again_is_asked_about_again(table):
    hold(table, "a", "b")
    ask = Ask()
    ask_ahead(table, table.take("q"), ask)
    hold(table, "b")

    assert ask_ahead(table, table.take("q"), ask) == "B"
    assert ask.asked == [["a", "b"], ["b"]]


def test_a_question_that_fails_is_the_others_own_to_ask_again(table):
    hold(table, "a", "b")
    ask = Ask()
    ask.fails = True
    with pytest.raises(ConnectionError):
        ask_ahead(table, table.take("q"), ask)
    ask.fails = False

    assert ask_ahead(table, table.take("q"), ask) == "B"


def test_while_one_asks_those_who_come_are_asked_about_together(table, eventually):
    hold(table, *"abcd")
    taken = [table.take("q") for _ in range(4)]
    under_way, go_on = threading.Event(), threading.Event()
    ask, answers = Ask(), {}

    def slow(bodies):
        under_way.set()
        assert go_on.wait(10)
        return ask(bodies)

    def run(held):
        answers[held.body] = ask_ahead(table, held, slow)

    threads = [threading.Thread(target=run, args=[held]) for held in taken]
    threads[0].start()
    assert under_way.wait(10)
    for thread in threads[1:]:
        thread.start()
    eventually(lambda: len(table.asking("q").wanted) == 3)
    go_on.set()
    for thread in threads:
        thread.join(10)

    assert answers == {"a": "A", "b": "B", "c": "C", "d": "D"}
    assert [sorted(bodies) for bodies in ask.asked] == [["a"], ["b", "c", "d"]]
