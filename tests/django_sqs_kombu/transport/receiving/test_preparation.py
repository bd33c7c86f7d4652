"""What is asked about a queue ends once, also where no thread can be started to hear it."""

from types import SimpleNamespace

import pytest

from django_sqs_kombu.transport.receiving import preparation as preparations
from django_sqs_kombu.transport.receiving.preparation import Preparation


class Requests:
    """Answers where it is asked, as where no thread can be started."""

    account = SimpleNamespace(url=lambda queue: "url")

    def is_ready(self, queue):
        return True

    def begin(self, operation, queue, params, done, **options):
        done({"Attributes": {}})
        return SimpleNamespace(break_off=lambda: None)

    def learn(self, queue, attributes):
        raise ValueError("nothing that can be read")


@pytest.fixture
def preparation(monkeypatch):
    """One whose job begins at once; what it is given is called as each job ends."""
    ended = []

    class Turns:
        crowded = False

        def begin(self, job):
            job(lambda: ended.append(None))

        begin_later = begin

    monkeypatch.setattr(preparations, "_turns", Turns())
    monkeypatch.setattr(preparations, "before_polls", lambda prepare, then: then(None))
    queues = SimpleNamespace(compared=lambda queue: False, compares_without_asking=lambda q: True)
    terms = SimpleNamespace(
        declared=lambda queue: None, is_recent=lambda queue: False, at_hand=lambda queue: None
    )
    shared = SimpleNamespace(
        requests=Requests(),
        queues=queues,
        terms=terms,
        listing=SimpleNamespace(is_due=lambda queue: False),
    )
    watch, returns = SimpleNamespace(is_to_learn=False), SimpleNamespace(terms=None)
    made = Preparation("orders", shared, returns, watch, lambda: False)
    return SimpleNamespace(made=made, ended=ended)


def test_what_is_learnt_later(preparation):
    preparation.made._learn(lambda: preparation.ended.append(None))

    assert len(preparation.ended) == 1


def test_what_is_asked_first(preparation):
    done = []

    preparation.made.begin(done.append)

    assert len(preparation.ended) == 1
    assert done == [None]
