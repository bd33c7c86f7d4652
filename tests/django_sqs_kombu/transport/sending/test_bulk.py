"""send_many: what went, what did not, and why, whatever happens in the middle."""

import pytest

from django_sqs_kombu import MessageEncodeError, RequestFailed, SendManyFailed, TimedOut
from django_sqs_kombu.transport.sending.bulk import BulkSend


class Requests:
    def __init__(self, fails=()):
        self.fails = set(fails)
        self.sent = []

    def begins_sending(self, queue):
        return False

    def send_batch(self, queue, batch):
        bodies = [entry["MessageBody"] for entry in batch]
        self.sent += [body for body in bodies if body not in self.fails]
        return [
            RequestFailed("no!", operation="SendMessageBatch", queue=queue, code="InternalError")
            if body in self.fails
            else None
            for body in bodies
        ]


def encode(item):
    if item == "unwritable":
        raise MessageEncodeError("cannot be written")
    return {"MessageBody": item, "MessageGroupId": item[0]}


def send_many(requests, items, queue="q", encode=encode, progress=None):
    return BulkSend(requests, queue, 4, progress).run(items, encode)


def test_items_that_raise_in_the_middle_end_with_an_account_of_what_went():
    requests = Requests(fails=["3"])

    def items():
        yield from map(str, range(25))
        raise OSError("the file is gone")

    with pytest.raises(SendManyFailed, match="the file is gone") as caught:
        send_many(requests, items())

    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.sent == 24 == len(requests.sent)
    assert [failure.number for failure in caught.value.failures] == [3]
    assert caught.value.untried_from == 25


def test_items_that_raise_at_once_are_told_alike():
    def items():
        raise RuntimeError("no")
        yield

    with pytest.raises(SendManyFailed) as caught:
        send_many(Requests(), items())

    assert (caught.value.sent, caught.value.failures, caught.value.untried_from) == (0, [], 0)


def test_a_receivers_timeout_in_the_items_stays_one():
    def items():
        yield "1"
        raise TimedOut(1)

    with pytest.raises(TimedOut):
        send_many(Requests(), items())


def test_a_bad_item_harms_none_of_its_neighbours():
    def encode_badly(item):
        if item == "4":
            raise KeyError("group")
        return encode(item)

    requests = Requests()

    with pytest.raises(SendManyFailed) as caught:
        send_many(requests, [*map(str, range(10)), "unwritable"], encode=encode_badly)

    assert caught.value.sent == 9
    assert [failure.number for failure in caught.value.failures] == [4, 10]
    assert isinstance(caught.value.failures[0].error, MessageEncodeError)
    assert isinstance(caught.value.failures[0].error.__cause__, KeyError)
    assert caught.value.untried_from is None


def test_a_progress_function_that_raises_ends_with_an_account_too():
    def progress(count):
        raise ValueError("no terminal")

    requests = Requests()

    with pytest.raises(SendManyFailed) as caught:
        send_many(requests, map(str, range(200)), progress=progress)

    assert isinstance(caught.value.__cause__, ValueError)
    assert caught.value.sent == len(requests.sent) == caught.value.untried_from


def test_a_group_of_a_fifo_queue_is_sent_in_order_or_not_at_all():
    items = [f"{group}{number}" for number in range(120) for group in "ab"]
    requests = Requests(fails=["a2"])

    with pytest.raises(SendManyFailed) as caught:
        send_many(requests, items, "q.fifo")

    by_group = {group: [body for body in requests.sent if body[0] == group] for group in "ab"}
    assert by_group == {"a": ["a0", "a1"], "b": [f"b{number}" for number in range(120)]}
    assert caught.value.sent == 122
    assert len(caught.value.failures) == 118
