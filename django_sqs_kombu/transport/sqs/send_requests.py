"""SendRequests: messages are sent, up to ten in a request."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from ...exceptions import EndpointUnreachable, RequestFailed
from .answers import message_ids, same_body, sent
from .calls import Calls, Done
from .doubts import NOT_REACHED, Doubt
from .failures import NO_ANSWER, no_answer
from .request_ids import named
from .waits import is_worth_another

#: Seconds between the tries of what SQS failed without the sender's fault.
SEND_RETRY_PAUSES = (0.1, 0.4, 1.6)
_ONE, _MANY = "SendMessage", "SendMessageBatch"

Entries = Sequence[dict[str, Any]]
Results = list["RequestFailed | None"]


class Named(dict[str, Any]):
    """An entry that is told by which id SQS knows its message, once SQS has it."""

    __slots__ = ("message_id",)

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__(params)
        self.message_id: str | None = None


class SendRequests(Calls):
    """The requests that send messages.

    An entry is the parameters of SendMessage, without the queue's URL.
    """

    def send_batch(self, queue: str, batch: Entries) -> Results:
        """Send up to 10 messages, 1 MiB together.

        What SQS fails without the sender's fault is tried again, and that alone; but not what
        a later message of its group has overtaken.

        :returns: for each message None, or why SQS did not accept it.
        :raises RequestFailed: the whole request failed.
        """
        answered = self._answered(self.call, queue, batch, _operation(batch))
        return self._send_rest(queue, batch, answered)

    def begins_sending(self, queue: str) -> bool:
        """Whether :meth:`begin_send` takes no thread, and waits for nothing."""
        lane, _ = self._lane_made(_MANY, queue)
        return lane is not None and lane.ready(_MANY) is not None

    def begin_send(self, queue: str, batch: Entries, done: Done) -> None:
        """Send up to 10 messages, once; *done* is called with what :meth:`read_sent` reads."""
        self.begin(_operation(batch), queue, _params(batch), done)

    def read_sent(self, queue: str, batch: Entries, answer: dict[str, Any] | Exception) -> Results:
        """What became of each message of *batch*.

        :raises RequestFailed: the whole request failed.
        """
        if isinstance(answer, Exception):
            raise answer
        if len(batch) > 1:
            return sent(_MANY, queue, answer, [entry["MessageBody"] for entry in batch])
        if not same_body(batch[0]["MessageBody"], answer.get("MD5OfMessageBody")):
            raise named(
                no_answer(_ONE, queue, "SQS received a different body than was sent"), answer
            )
        return [None]

    def send_again(self, queue: str, batch: Entries, earlier: Results | RequestFailed) -> Results:
        """What becomes of *batch* when that is tried again which may be.

        :param earlier: what became of it when it was sent with :meth:`begin_send`.
        :raises RequestFailed: the whole request failed.
        """
        if isinstance(earlier, RequestFailed):
            # What can be tried again, and how often, is botocore's to say.
            again = self.call_over_botocore
            is_there = may_be_accepted(earlier)
            earlier = self._answered(again, queue, batch, _operation(batch), is_there)
        return self._send_rest(queue, batch, earlier)

    def _answered(
        self,
        call: Callable[..., dict[str, Any]],
        queue: str,
        batch: Entries,
        operation: str,
        is_in_doubt: bool = False,
    ) -> Results:
        """What became of each message of *batch*; what failed knows whether it is in doubt.

        :param is_in_doubt: whether it was before.
        """
        with Doubt(is_in_doubt) as doubt:
            try:
                answer = call(operation, queue, **_params(batch, operation))
                if operation == _ONE:
                    results = self.read_sent(queue, batch, answer)
                else:
                    results = sent(operation, queue, answer, [e["MessageBody"] for e in batch])
            except RequestFailed as exc:
                exc.in_doubt |= doubt.is_there
                raise
            for failure in filter(None, results):
                failure.in_doubt |= doubt.is_there
        for number, message_id in message_ids(answer, len(batch)):
            if isinstance(entry := batch[number], Named):
                entry.message_id = message_id
        return results

    def _send_rest(self, queue: str, batch: Entries, results: Results) -> Results:
        for pause in SEND_RETRY_PAUSES:
            rest = unsent(batch, results)
            if not (rest and is_worth_another(pause)):
                break
            time.sleep(pause)
            entries = [batch[number] for number in rest]
            try:
                found = self._answered(self.call, queue, entries, _MANY)
            except RequestFailed as exc:
                # The others are sent, and whoever was told that all failed would send them twice.
                found = [exc.copy() for _ in rest]
            for number, result in zip(rest, found, strict=True):
                results[number] = doubted(result, results[number])
        return results


def unsent(batch: Entries, results: Results) -> list[int]:
    """The numbers of those that are to be tried again."""
    if not any(results):
        return []
    return [number for number in range(len(batch)) if _is_to_be_tried_again(number, batch, results)]


def may_be_sent_again(failure: RequestFailed) -> bool:
    """Whether what failed may be tried again: SQS has not accepted it, as far as can be known."""
    # What was not answered as SQS answers may have been accepted.
    return failure.passing and failure.code != NO_ANSWER


def may_be_accepted(failure: RequestFailed) -> bool:
    """Whether SQS may have what failed all the same: its answer is not known."""
    if failure.in_doubt:
        return True
    if failure.untried or failure.operation not in (_ONE, _MANY):
        return False
    if isinstance(failure, EndpointUnreachable):
        return failure.code not in NOT_REACHED
    # A number is the HTTP status of a proxy's answer.
    return failure.code == NO_ANSWER or failure.code.isdigit()


def doubted(failure: RequestFailed | None, earlier: RequestFailed | None) -> RequestFailed | None:
    """The last failure of what failed *earlier*, too, and so may have been accepted by then."""
    if failure is not None and earlier is not None:
        failure.in_doubt |= may_be_accepted(earlier)
    return failure


def _is_to_be_tried_again(number: int, batch: Entries, results: Results) -> bool:
    failure = results[number]
    if failure is None or not may_be_sent_again(failure):
        return False
    group = batch[number].get("MessageGroupId")
    return group is None or not any(
        later.get("MessageGroupId") == group and results[place] is None
        for place, later in enumerate(batch[number + 1 :], number + 1)
    )


def _operation(batch: Entries) -> str:
    return _ONE if len(batch) == 1 else _MANY


def _params(batch: Entries, operation: str = "") -> dict[str, Any]:
    if (operation or _operation(batch)) == _ONE:
        return batch[0]
    return {"Entries": [{"Id": str(place), **entry} for place, entry in enumerate(batch)]}
