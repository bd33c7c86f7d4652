"""A list is sent: each entry has its own fate, and none suffers for another."""

import itertools

import pytest
from botocore.exceptions import HTTPClientError

from django_sqs_kombu import AccessDenied, RequestFailed, TimedOut
from django_sqs_kombu.transport.sending.dispatch import send_batch, send_list


def failure(code, kind=RequestFailed):
    return kind(f"{code}!", operation="SendMessageBatch", queue="q", code=code)


class Requests:
    """Stands for SQS: it fails the entries that *fails* names, or whole requests."""

    def __init__(self, fails=None, whole=None):
        self.fails = fails or {}
        self.whole = whole or (lambda bodies: None)
        self.sent = []

    def send_batch(self, queue, batch):
        bodies = [entry["MessageBody"] for entry in batch]
        if (error := self.whole(bodies)) is not None:
            raise error
        self.sent.append(bodies)
        return [self.fails.get(body) for body in bodies]


def entries(*bodies, group=None):
    groups = {} if group is None else {"MessageGroupId": group}
    return [{"MessageBody": body, **groups} for body in bodies]


def test_a_list_goes_in_full_requests_that_sqs_takes():
    requests = Requests()

    result = send_list(requests, "q", entries(*map(str, range(12)), *["x" * 600_000] * 3))

    assert [len(batch) for batch in requests.sent] == [10, 3, 1, 1]
    assert result.failed == []


def test_what_sqs_refuses_for_its_content_harms_none_of_its_neighbours():
    def whole(bodies):
        return failure("InvalidParameterValue") if "bad" in bodies else None

    requests = Requests(whole=whole)

    result = send_batch(requests, "q", entries("a", "bad", "b"))

    assert result.failed == [1]
    assert result.errors[1].code == "InvalidParameterValue"
    assert not result.stopped
    assert requests.sent == [["a"], ["b"]]


def test_a_refusal_for_another_reason_stops_and_what_was_not_tried_is_told():
    requests = Requests(whole=lambda bodies: failure("AccessDenied", AccessDenied))

    result = send_list(requests, "q", entries(*map(str, range(13))))

    assert result.stopped
    assert result.untried == {10, 11, 12}
    assert all(isinstance(error, AccessDenied) for error in result.errors)
    # Each may be raised in a thread of its own.
    assert len({id(error) for error in result.errors}) == 13


def test_an_outage_in_the_middle_of_single_sends_stops_them():
    answers = itertools.chain([failure("ValidationError"), None], itertools.repeat(failure("503")))
    requests = Requests(whole=lambda bodies: next(answers))

    result = send_batch(requests, "q", entries("a", "b", "c"))

    assert [error and error.code for error in result.errors] == [None, "503", "503"]
    assert (result.stopped, result.untried) == (True, {2})


def test_a_group_of_a_fifo_queue_never_overtakes_its_message_that_failed():
    requests = Requests(fails={"a1": failure("InternalError")})
    mixed = [
        *entries("a0", "a1", "a2", group="a"),
        *entries("b0", "b1", group="b"),
        *entries("a3", group="a"),
    ]

    result = send_list(requests, "q.fifo", mixed)

    assert requests.sent == [["a0", "b0"], ["a1", "b1"]]
    assert result.failed == [1, 2, 5]
    assert result.untried == {2, 5}
    assert "earlier message of its group" in str(result.errors[2])
    assert "InternalError!" in str(result.errors[2])


def test_a_group_that_failed_stays_behind_in_the_lists_that_follow():
    requests = Requests(fails={"a0": failure("InternalError")})
    groups = {}

    send_list(requests, "q.fifo", entries("a0", group="a"), groups)
    result = send_list(
        requests, "q.fifo", entries("a1", group="a") + entries("b0", group="b"), groups
    )

    assert result.failed == [0]
    assert requests.sent == [["a0"], ["b0"]]


def test_a_receivers_timeout_that_botocore_swallowed_is_heard():
    error = failure("HTTPClientError")
    error.__cause__ = HTTPClientError(error=TimedOut(3))

    with pytest.raises(TimedOut, match="after 3 s"):
        send_batch(Requests(whole=lambda bodies: error), "q", entries("a"))
