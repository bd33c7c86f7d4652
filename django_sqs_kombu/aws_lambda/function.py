"""LambdaFunction: what AWS Lambda calls with the messages of SQS queues."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import TypedDict

import kombu

from ..exceptions import ConfigurationError
from ..logs import get_logger
from ..new_threads import start_thread
from ..registration import Receivers, RegisteredQueue
from ..rules import check, check_names, flag, number
from ..transport import Channel
from ..transport.holding.held import Held
from ..transport.sqs.received import Received
from ..transport.sqs.waits import answered_by
from ..unpack import Unpack
from ..working import tell
from .batch_run import BatchRun
from .deletions import Deletions
from .events import Batch, QueueArn, read
from .function_time import FunctionTime
from .not_all_done import NotAllDone

logger = get_logger(__name__)

#: Seconds of the function's time that are kept for settling, and the most that can be.
RESERVE, MOST_RESERVE = 2.0, 600.0


class LambdaKeywords(TypedDict, total=False):
    """The options of a :class:`LambdaFunction`."""

    reserve: float
    report: bool


class Failure(TypedDict):
    """A message that is not done."""

    itemIdentifier: str


class Response(TypedDict):
    """What Lambda expects, with ReportBatchItemFailures, of which it deletes the others."""

    batchItemFailures: list[Failure]


class LambdaFunction:
    """The handler of a Lambda function whose events are messages of SQS queues.

    Each message is handled as by a worker: its receiver runs within the queue's timeout and
    the registry's middleware, and the same table says what happens to it.  Lambda deletes the
    messages that are done; the others are reported, so **the event source mapping
    must have ReportBatchItemFailures** in its FunctionResponseTypes.  Without it Lambda deletes
    them all, unless *report* is False: then, if some are not done, those that are done are deleted
    here and :class:`NotAllDone` is raised, so that Lambda deletes nothing more.

    Several queues may be mapped to one function.  The messages of one invocation run one after
    the other, in the order of the event.

    :param receivers: the registry.
    :param reserve: seconds of the function's time that are kept for settling; at most a fifth of
        the time.
    :param report: whether the event source mapping has ReportBatchItemFailures.
    """

    def __init__(
        self, receivers: Receivers, *, reserve: float = RESERVE, report: bool = True
    ) -> None:
        check(
            "lambda_handler: ",
            {"reserve": number(0, MOST_RESERVE), "report": flag},
            {"reserve": reserve, "report": report},
        )
        self._receivers = receivers
        self._report = report
        self._reserve = reserve
        self._received = Received()
        # A program that runs invocations in threads has them one after the other.
        self._lock = threading.Lock()
        self._connection: kombu.Connection | None = None
        self._deletions: Deletions | None = None

    def __call__(self, event: object, context: object = None) -> Response:
        """Handle the messages of *event*; return which of them are not done.

        :param context: Lambda's, which knows how much time is left; None: any time.
        :raises ConfigurationError: it is no event of SQS, or of a queue that no receiver is
            registered for.  Nothing has run then, and SQS delivers the messages again.
        :raises NotAllDone: some are not, and *report* is False.
        """
        function_time = FunctionTime(context, self._reserve)
        batches = read(event)
        with self._lock, answered_by(function_time.ends_at):
            done = self._run(batches, function_time) if batches else set()
        failed = [each for batch in batches for each in batch.ids if each not in done]
        if failed and not self._report:
            raise NotAllDone(failed)
        return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}

    def close(self) -> None:
        """Close the connection to SQS; the next event opens another."""
        self._forgotten()()

    def _run(self, batches: Sequence[Batch], function_time: FunctionTime) -> set[str]:
        """Handle the messages; return the ids of those that are done."""
        channel, deletions = self._open()
        found = [(batch, *self._source(channel, batch.arn)) for batch in batches]
        held: list[Held] = []
        confirmed = False
        try:
            for batch, registered, queue in found:
                self._learn_url(channel, batch.arn, queue.name)
                messages = self._received.valid(queue.name, batch.messages)
                run = BatchRun(registered, queue, channel, deletions, function_time)
                held += run.run(messages)
            times = function_time
            confirmed = channel.flush(
                times.for_settling if self._report else times.for_settling_first
            )
            done = deletions.ids(held)
            if not self._report and any(each not in done for one in batches for each in one.ids):
                # Before all that may use up the time: what is done would come again.
                deletions.make()
            channel.keeper.finish_objects(function_time.for_settling)
            left = function_time.for_settling
            tell(self._receivers.middleware, lambda each: each.resting(left))
            return done
        finally:
            deletions.forget()
            if not confirmed or len(channel.held):
                # What is left is not ours any more in the next invocation.
                self._give_up(channel)

    def _open(self) -> tuple[Channel, Deletions]:
        if self._connection is None or self._deletions is None:
            self._connection = self._receivers.new_connection()
            self._deletions = Deletions(self._connection.default_channel)
        channel: Channel = self._connection.default_channel
        return channel, self._deletions

    def _give_up(self, channel: Channel) -> None:
        for each in channel.held.all():
            channel.held.end(each)
        channel.keeper.close(0)
        # Closing waits for what is under way, and the function has no time for that.
        with suppress(RuntimeError):
            start_thread(threading.Thread(target=self._forgotten(), name="sqs-close", daemon=True))

    def _forgotten(self) -> Callable[[], None]:
        connection, self._connection, self._deletions = self._connection, None, None
        return (lambda: None) if connection is None else connection.close

    def _source(self, channel: Channel, arn: QueueArn) -> tuple[RegisteredQueue, kombu.Queue]:
        """The registered queue of an ARN."""
        for registered in self._receivers.select():
            for suffix in (None, *registered.suffixes):
                queue = registered.get_queue(suffix)
                if channel.account.canonical(queue.name) != arn.name:
                    continue
                if registered.receiver is None:
                    raise ConfigurationError(
                        f"Queue {registered.name!r} ({arn.text}) is registered for sending only: "
                        "register a receiver, or remove its event source mapping"
                    )
                channel.declare_lazily(queue)
                return registered, queue
        known = sorted(each.full_name() for each in self._receivers.select())
        raise ConfigurationError(
            f"No receiver is registered for queue {arn.name!r} ({arn.text}). Registered are: "
            f"{', '.join(known) or 'none'}. Check the prefix of the queue names"
        )

    def _learn_url(self, channel: Channel, arn: QueueArn, queue: str) -> None:
        account = channel.account
        # Another server than AWS's has URLs of its own.
        if arn.url is not None and account.endpoint is None and not account.predefined:
            account.urls.setdefault(account.canonical(queue), arn.url)


def check_keywords(given: Collection[str]) -> None:
    """Raise :class:`ConfigurationError` for an option that no Lambda function has."""
    check_names("lambda_handler()", tuple(LambdaKeywords.__annotations__), given)


def lambda_handler(receivers: Receivers, **options: Unpack[LambdaKeywords]) -> LambdaFunction:
    """Return the handler of an AWS Lambda function that runs a registry's receivers.

    ::

        handler = lambda_handler(receivers)

    :param receivers: the registry, with the receivers of every queue that is mapped to the
        function.
    :param options: those of :class:`LambdaFunction`.
    :raises ConfigurationError: there is no such option, or its value is wrong.
    """
    check_keywords(options)
    return LambdaFunction(receivers, **options)
