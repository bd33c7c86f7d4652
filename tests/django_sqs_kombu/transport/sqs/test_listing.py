"""The URLs of many queues are found together, where that is allowed."""

from types import SimpleNamespace

import pytest

from django_sqs_kombu.exceptions import RequestFailed
from django_sqs_kombu.transport.sqs.declaration import DEAD_LETTER_ARGUMENT
from django_sqs_kombu.transport.sqs.listing import MANY, PAGE, Listing

NAMES = [f"orders-{number}" for number in range(MANY)]


class Calls:
    """Answers ListQueues page by page."""

    def __init__(self, *pages):
        self._pages = list(pages)
        self.asked = []
        self.account = SimpleNamespace(
            urls={}, predefined={}, canonical=str, url=lambda name: self.account.urls.get(name)
        )

    def ask(self, operation, queue, **params):
        assert operation == "ListQueues"
        self.asked.append(params)
        page = self._pages.pop(0)
        if isinstance(page, Exception):
            raise page
        answer = {"QueueUrls": [f"https://sqs/1/{name}" for name in page]}
        return {**answer, "NextToken": "more"} if self._pages else answer


def listing(calls, names=NAMES):
    return Listing(calls, {name: {} for name in names})


def test_all_urls_are_learnt_from_one_request():
    calls = Calls([*NAMES, "orders-other"])
    listed = listing(calls)
    assert listed.is_due(NAMES[0])

    listed.find()

    assert calls.account.urls == {name: f"https://sqs/1/{name}" for name in NAMES}
    assert calls.asked == [{"MaxResults": PAGE, "QueueNamePrefix": "orders-"}]
    assert not listed.is_due("orders-later")


def test_those_of_their_dead_letter_queues_are_learnt_as_well():
    calls = Calls(["orders-dead", *NAMES])
    dead = {NAMES[0]: "orders-dead", NAMES[1]: "elsewhere"}
    declared = {name: {DEAD_LETTER_ARGUMENT: of} for name, of in dead.items()}

    Listing(calls, {**{name: {} for name in NAMES}, **declared}).find()

    assert calls.account.urls["orders-dead"] == "https://sqs/1/orders-dead"
    assert calls.asked[0]["QueueNamePrefix"] == "orders-"


def test_pages_end_with_the_last_queue_that_is_looked_for():
    calls = Calls(NAMES[1:], NAMES[:1], ["orders-other"])

    listing(calls).find()

    assert [params.get("NextToken") for params in calls.asked] == [None, "more"]
    assert len(calls.account.urls) == MANY


def test_an_account_of_many_other_queues_is_not_read_to_its_end():
    calls = Calls(*[["orders-other"]] * 50)

    listing(calls).find()

    assert len(calls.asked) == 2


def test_who_may_not_list_queues_asks_once_and_says_nothing(caplog):
    caplog.set_level("INFO")
    calls = Calls(RequestFailed("no", operation="ListQueues", queue="", code="AccessDenied"))
    listed = listing(calls)

    listed.find()
    listed.find()

    assert len(calls.asked) == 1
    assert not listed.is_due(NAMES[0])
    assert not caplog.records


@pytest.mark.parametrize("known", [0, 1])
def test_few_queues_are_asked_for_one_by_one(known):
    calls = Calls()
    calls.account.urls |= dict.fromkeys(NAMES[:known], "https://sqs/1/known")
    listed = listing(calls, NAMES[: MANY - 1 + known])

    listed.find()

    assert not calls.asked


def test_the_urls_of_predefined_queues_are_theirs():
    calls = Calls()
    calls.account.predefined = {"orders": {}}

    assert not listing(calls).is_due(NAMES[0])
