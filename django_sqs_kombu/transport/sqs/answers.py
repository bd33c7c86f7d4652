"""Answers: one counts only if it says so, and a 200 that is not SQS's answer is a failure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ...exceptions import RequestFailed
from ...quotas import MAX_MESSAGES
from .facts import redrive_policy
from .failures import no_answer, refused
from .request_ids import named

#: The text that the answer to an operation must have.
_REQUIRED = {
    "CreateQueue": "QueueUrl",
    "GetQueueUrl": "QueueUrl",
    "SendMessage": "MessageId",
    "StartMessageMoveTask": "TaskHandle",
}
_EVERY_QUEUE_HAS = ("QueueArn", "VisibilityTimeout")
_NUMBERS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "VisibilityTimeout",
)
_BATCHES = frozenset({"ChangeMessageVisibilityBatch", "DeleteMessageBatch", "SendMessageBatch"})
#: Operations whose answer has nothing in it.
_EMPTY = frozenset(
    {
        "ChangeMessageVisibility",
        "DeleteMessage",
        "DeleteQueue",
        "PurgeQueue",
        "SetQueueAttributes",
        "TagQueue",
        "UntagQueue",
    }
)


#: The ids of a batch's entries.
_NUMBERED = tuple(map(str, range(MAX_MESSAGES)))
_decoder: Any = json.JSONDecoder()
#: Bytes that are shown of what is no answer.
_SHOWN = 400


class NotAnAnswer(ValueError):
    """A body with status 200 that is no JSON object.

    :ivar answer: what is known of the answer, as botocore's answers have it.
    """

    def __init__(self, text: str, answer: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.answer: Mapping[str, Any] = answer or {}


def refuse_other_bodies(
    response_dict: Mapping[str, Any] | None,
    parsed_response: Mapping[str, Any] | None,
    event_name: str,
    **kwargs: Any,
) -> None:
    """Raise :class:`NotAnAnswer` for a body that botocore reads as an empty answer.

    A handler of botocore's event ``response-received``: what is no JSON, such as a page of
    a proxy, would look like the answer of an empty queue.
    """
    if response_dict is None or not parsed_response or set(parsed_response) - {"ResponseMetadata"}:
        return
    if response_dict["status_code"] < 300:
        try:
            read_answer(event_name.rpartition(".")[2], response_dict["body"])
        except NotAnAnswer as exc:
            exc.answer = parsed_response
            raise


def read_answer(operation: str, body: bytes) -> dict[str, Any]:
    """The JSON object that the body of an answer with status 200 is.

    :raises NotAnAnswer: it is none, such as the page of a proxy.
    """
    if not body and operation in _EMPTY:
        return {}
    try:
        answer = _json(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        shown = bytes(body[:_SHOWN]).decode(errors="replace")
        raise NotAnAnswer(f"status 200 with {shown or 'an empty body'}")
    return answer


def _json(body: bytes) -> Any:
    try:
        # What json.loads() does in the end, without its search for encodings and blanks.
        text = body.decode()
        answer, end = _decoder.scan_once(text, 0)
    except (ValueError, StopIteration):
        return json.loads(body)
    return answer if end == len(text) else json.loads(text)


def check(operation: str, queue: str, asked: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """Raise :class:`RequestFailed` for an answer that does not say that *operation* was done.

    :param asked: the parameters of the request.
    """
    try:
        _check(operation, queue, asked, answer)
    except RequestFailed as exc:
        named(exc, answer)
        raise


def _check(operation: str, queue: str, asked: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    name = _REQUIRED.get(operation)
    if name is not None and not _is_text(answer.get(name)):
        raise no_answer(operation, queue, f"without {name}")
    if operation == "GetQueueAttributes":
        _check_attributes(queue, asked["AttributeNames"], answer.get("Attributes"))
    if operation in _BATCHES and not (answer.get("Successful") or answer.get("Failed")):
        raise no_answer(operation, queue, "neither Successful nor Failed")


def settled(
    operation: str, queue: str, answer: Mapping[str, Any], count: int
) -> list[RequestFailed | None]:
    """What became of each of *count* entries, numbered from 0: None where SQS did it."""
    if not answer.get("Failed") and _ids(answer.get("Successful")) == _NUMBERED[:count]:
        # As nearly always: all was done, and told in order.
        return [None] * count
    return _named(answer, _results(operation, queue, answer, count, lambda number, entry: True))


def sent(
    operation: str, queue: str, answer: Mapping[str, Any], bodies: Sequence[str]
) -> list[RequestFailed | None]:
    """What became of each of the messages with these *bodies*: None where SQS has it."""

    def accepted(number: int, entry: Mapping[str, Any]) -> bool:
        return _is_text(entry.get("MessageId")) and same_body(
            bodies[number], entry.get("MD5OfMessageBody")
        )

    return _named(answer, _results(operation, queue, answer, len(bodies), accepted))


def message_ids(answer: Mapping[str, Any], count: int) -> Iterator[tuple[int, str]]:
    """Of *count* messages the numbers of those that SQS has, each with the id that it got."""
    if "MessageId" in answer:
        yield 0, str(answer["MessageId"])
    for number, entry in _entries(answer, "Successful", count):
        yield number, str(entry.get("MessageId"))


def _named(
    answer: Mapping[str, Any], results: list[RequestFailed | None]
) -> list[RequestFailed | None]:
    for failure in filter(None, results):
        named(failure, answer)
    return results


def same_body(body: str, md5: object) -> bool:
    """Whether *md5*, where it is given, is that of *body*."""
    if not isinstance(md5, str) or not md5:
        return True
    # A lone surrogate has no bytes; SQS hands none out.
    data = body.encode(errors="surrogatepass")
    return hashlib.md5(data, usedforsecurity=False).hexdigest() == md5.lower()


def _check_attributes(queue: str, asked: Sequence[str], attributes: object) -> None:
    if not isinstance(attributes, dict) or not attributes:
        raise no_answer("GetQueueAttributes", queue, "without Attributes")
    for name in _EVERY_QUEUE_HAS:
        if (name in asked or "All" in asked) and not _is_text(attributes.get(name)):
            raise no_answer("GetQueueAttributes", queue, f"without {name}")
    for name in set(_NUMBERS) & set(attributes):
        if not str(attributes[name]).isdecimal():
            raise no_answer("GetQueueAttributes", queue, f"{name} is not a number")
    try:
        redrive_policy(attributes.get("RedrivePolicy"))
    except ValueError as exc:
        raise no_answer("GetQueueAttributes", queue, str(exc)) from None


def _results(
    operation: str,
    queue: str,
    answer: Mapping[str, Any],
    count: int,
    says_so: Callable[[int, Mapping[str, Any]], bool],
) -> list[RequestFailed | None]:
    results: list[RequestFailed | None] = [None] * count
    unsaid = set(range(count))
    for number, entry in _entries(answer, "Successful", count):
        if says_so(number, entry):
            unsaid.discard(number)
    for number in unsaid:
        results[number] = no_answer(operation, queue, "it does not say what became of an entry")
    for number, entry in _entries(answer, "Failed", count):
        results[number] = refused(
            operation,
            queue,
            str(entry.get("Code") or ""),
            str(entry.get("Message") or "no reason given"),
            passing=not entry.get("SenderFault"),
        )
    return results


def _entries(
    answer: Mapping[str, Any], key: str, count: int
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for entry in answer.get(key) or ():
        number = str(entry.get("Id"))
        # One that we did not ask about says nothing.
        if number.isdecimal() and int(number) < count:
            yield int(number), entry


def _ids(entries: object) -> tuple[object, ...] | None:
    try:
        return tuple([entry["Id"] for entry in entries])  # type: ignore[attr-defined]
    except (KeyError, TypeError):
        return None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)
