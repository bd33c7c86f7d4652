"""SendRequests: messages are sent, up to ten in a request."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ...exceptions import EndpointUnreachable, RequestFailed
from .answers import same_body, sent
from .calls import Calls, Done
from .failures import NO_ANSWER, no_answer
from .request_ids import named
from .waits import is_worth_another

#: Seconds between the tries of what SQS failed without the sender's fault.
SEND_RETRY_PAUSES = (0.1, 0.4, 1.6)
_ONE, _MANY = "SendMessage", "SendMessageBatch"
#: Codes of failures in which a request did not get to SQS.
_NOT_REACHED = frozenset(
    {"ConnectTimeoutError", "EndpointConnectionError", "ProxyConnectionError", "SSLError"}
)

Entries = Sequence[dict[str, Any]]
Results = list["RequestFailed | None"]


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
        answer = self.call(_operation(batch), queue, **_params(batch))
        return self._send_rest(queue, batch, self.read_sent(queue, batch, answer))

    def begins_sending(self, queue: str) -> bool:
        """Whether :meth:`begin_send` takes no thread, and waits for nothing."""
        lane = self._lane_made(_MANY, queue)
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
            raise named(no_answer(_ONE, queue, "SQS has another body than was sent"), answer)
        return [None]

    def send_again(self, queue: str, batch: Entries, earlier: Results | RequestFailed) -> Results:
        """What becomes of *batch* when that is tried again which may be.

        :param earlier: what became of it when it was sent with :meth:`begin_send`.
        :raises RequestFailed: the whole request failed.
        """
        if isinstance(earlier, RequestFailed):
            # What can be tried again, and how often, is botocore's to say.
            answer = self.call_over_botocore(_operation(batch), queue, **_params(batch))
            earlier = self.read_sent(queue, batch, answer)
        return self._send_rest(queue, batch, earlier)

    def _send_rest(self, queue: str, batch: Entries, results: Results) -> Results:
        for pause in SEND_RETRY_PAUSES:
            rest = unsent(batch, results)
            if not (rest and is_worth_another(pause)):
                break
            time.sleep(pause)
            entries = [batch[number] for number in rest]
            bodies = [entry["MessageBody"] for entry in entries]
            found: Results
            try:
                answer = self.call(_MANY, queue, **_params(entries, _MANY))
                found = sent(_MANY, queue, answer, bodies)
            except RequestFailed as exc:
                # The others are sent, and whoever was told that all failed would send them twice.
                found = [exc.copy() for _ in rest]
            for number, result in zip(rest, found, strict=True):
                results[number] = result
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
    if failure.untried or failure.operation not in (_ONE, _MANY):
        return False
    if isinstance(failure, EndpointUnreachable):
        return failure.code not in _NOT_REACHED
    # A number is the HTTP status of a proxy's answer.
    return failure.code == NO_ANSWER or failure.code.isdigit()


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
