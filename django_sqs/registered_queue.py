"""RegisteredQueue and its ReceiverProxy, under the original's names and with Django's database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar

import kombu
from asgiref.sync import sync_to_async
from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models import Model
from django.utils.timezone import get_default_timezone_name

from django_sqs_kombu import registration as base
from django_sqs_kombu.exceptions import (
    ConfigurationError,
    Continue,
    MessageEncodeError,
    RestartLater,
    TimedOut,
    UnknownSuffixWarning,
)
from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.messages import RawMessage
from django_sqs_kombu.names import FIFO
from django_sqs_kombu.registration import Defaults, Keywords, Outgoing, Receiver, Receivers
from django_sqs_kombu.rules import check, flag, optional
from django_sqs_kombu.transport import Pause
from django_sqs_kombu.unpack import Unpack
from django_sqs_kombu.working import Ticket

from .batches import joining_batch
from .calls import left_open
from .commits import after_commit, asked_for, in_any_transaction, in_transaction
from .connections import around_message, leaving_no_connection
from .database_errors import as_it_counts
from .key_database import KeyDatabase
from .keywords import KEYWORDS, PlainSendKeywords, SendKeywords
from .message import (
    DATABASES_ARGUMENT,
    MODELS_ARGUMENT,
    ModelInstanceMessage,
    database_of,
    foreign_database,
    row_of,
)
from .open_transactions import asking_what_is_open, leaving_none_open, run_watched
from .optional import inboxes, outboxes, tell_of_pause
from .proxy import ReceiverProxy
from .receiver_loop import run_in_receiver_loop
from .registry import receivers as project_receivers
from .row_options import aliases_of, check_model, database_alias, labels_of
from .signals import SignalSender, message_received

logger = get_logger(__name__)

#: The options of sending that are about a transaction.
_WAITING = {"on_commit": optional(flag), "outbox": optional(flag)}
_USING = {"using": database_alias}

__all__ = [
    "ReceiverProxy",
    "RegisteredQueue",
    "RestartLater",
    "TimedOut",
    "UnknownSuffixWarning",
]


#: Where ``close_database`` stands among what may be given without its name, as in the original.
CLOSE_DATABASE_PLACE = 4

# Under its own name it would be hidden inside the class below.
_Proxy = ReceiverProxy


class DjangoQueue(base.RegisteredQueue):
    """A queue of this project; its options are those of django_sqs_kombu's class.

    Database connections are maintained around each message: connections that are unusable or too
    old are closed, the others are kept for the next message.

    Its options are those of :class:`~django_sqs.keywords.QueueKeywords`.
    """

    ReceiverProxy: ClassVar[type[_Proxy[Any, Any, Any]]] = _Proxy
    keywords: ClassVar[Keywords] = KEYWORDS

    def __init__(
        self,
        name: str,
        receiver: Receiver | None = None,
        *args: Any,
        receivers: Receivers | None = None,
        models: Iterable[type[Model] | str] | None = None,
        databases: Iterable[str] = (),
        once: bool = False,
        close_database: bool = False,
        **options: Unpack[base.QueueKeywords],
    ) -> None:
        if len(args) > CLOSE_DATABASE_PLACE:
            close_database = args[CLOSE_DATABASE_PLACE]
            args = (*args[:CLOSE_DATABASE_PLACE], *args[CLOSE_DATABASE_PLACE + 1 :])
        if options.get("cron") is not None and options.get("timezone") is None:
            options["timezone"] = get_default_timezone_name()
        super().__init__(name, receiver, *args, receivers=receivers or project_receivers, **options)
        own = {"once": once, "close_database": close_database}
        check(f"Queue {name!r}: ", dict.fromkeys(own, flag), own)
        self.once = once
        self.close_database = close_database
        self.models = None if models is None else labels_of(name, models)
        self.databases = aliases_of(name, databases)

    @property
    def sends_slots(self) -> bool:
        """Whether SQS ensures that each slot is sent once: without django_sqs.schedules."""
        return self.name.endswith(FIFO) and not apps.is_installed("django_sqs.schedules")

    def write_slot(self, slot: datetime, using: str) -> None:
        """Write a slot's message to the outbox, in a transaction of the database *using*."""
        self.send(outbox=True, using=using, **self.slot_options(slot))

    def check_slot_message(self) -> None:
        """Raise :class:`ConfigurationError` if the message class cannot carry a slot."""
        if issubclass(self.message_class, ModelInstanceMessage):
            raise ConfigurationError(f"Queue {self.name!r}: a schedule has no row to send")
        super().check_slot_message()

    def check_slots(self, catch_up: timedelta | None) -> None:
        """Do nothing yet: the system checks know which apps are installed."""

    def make_queue(self, defaults: Defaults, suffix: str | None) -> kombu.Queue:
        """Return the queue as a :class:`kombu.Queue`, with its declaration and models."""
        queue = super().make_queue(defaults, suffix)
        if self.models is not None:
            queue.queue_arguments[MODELS_ARGUMENT] = self.models
        if self.databases:
            queue.queue_arguments[DATABASES_ARGUMENT] = self.databases
        return queue

    def get_receiver_proxy(self) -> _Proxy[Any, Any, DjangoQueue]:
        """Return a callable that sends to this queue."""
        return self.ReceiverProxy(self)

    def send(
        self,
        message: object = None,
        suffix: str | None = None,
        *,
        on_commit: bool | None = None,
        outbox: bool = False,
        using: str | None = None,
        **options: Unpack[PlainSendKeywords],
    ) -> Ticket:
        """Send a message; return when SQS has accepted it, or when it waits for a commit.

        :param message: an instance of the queue's message class, or of its *model*; None: one is
            built from the other options, such as ``body="..."``.
        :param suffix: the queue name suffix to use.
        :param options: those of :class:`~django_sqs.keywords.SendKeywords`.
        :raises WrongMessageClass: *message* is of another class.
        :raises MessageEncodeError: its value cannot be encoded.
        :raises ConfigurationError: an option does not exist, or the app that it needs is not
            installed.
        :raises RequestFailed: SQS did not accept it.
        """
        self._check_waiting("send", on_commit, outbox, using)
        row = self._row(options.get("instance") if message is None else message)
        if outbox:
            return self._write_to_outbox(message, suffix, using, options)
        send = self.prepare(message, suffix, **options)
        if row is not None:
            using = using or database_of(row)
        waits = self._waits(on_commit, using)
        if send.outgoing.unique is None or on_commit is False:
            self._keys.check_at_once(send.outgoing.frees)
            commit = (using or DEFAULT_DB_ALIAS) if waits else None
        else:
            commit = self._keys.transaction(waits, using)
        if commit is None:
            return send.send()
        if transaction.get_connection(commit).in_atomic_block:
            send.check()
        joining = joining_batch(self.receivers, send, [commit])
        return send.claim_and(partial(after_commit, self, joining, commit))

    @property
    def _keys(self) -> KeyDatabase:
        return KeyDatabase.of(self.name, self.receivers.tickets)

    def _check_waiting(self, call: str, on_commit: object, outbox: object, using: object) -> None:
        # "no" would count as true.
        what = f"Queue {self.name!r}: {call}(): "
        check(what, _WAITING, {"on_commit": on_commit, "outbox": outbox})
        if using is not None:
            check(what, _USING, {"using": using})

    def _waits(self, on_commit: bool | None, using: str | None) -> bool:
        if on_commit is None and self._carries_rows and in_transaction(using):
            return True
        return asked_for(on_commit)

    @property
    def _carries_rows(self) -> bool:
        return issubclass(self.message_class, ModelInstanceMessage)

    def _row(self, value: Any) -> Model | None:
        """The row that a message to send carries, if it carries one.

        :raises MessageEncodeError: the queue's messages may not name its model, or its database.
        """
        row = row_of(value) if self._carries_rows else None
        if row is not None and self.models is not None:
            check_model(self.name, row, self.models)
        if row is not None and (alias := foreign_database(row)) not in (None, *self.databases):
            raise MessageEncodeError(
                f"Queue {self.name!r}: {row._meta.label} {row.pk} is in the database {alias!r}. "
                f"Register the queue with databases=[{alias!r}], so that its receivers may read "
                "rows there."
            )
        return row

    def encoder(
        self, delay: Any = None, group_id: Any = None, expires: Any = None
    ) -> Callable[[Any], Outgoing]:
        """What makes of each item of :meth:`send_many`, in turn, what is to be sent."""
        encode = super().encoder(delay, group_id, expires)

        def checked(item: Any) -> Outgoing:
            self._row(item)
            return encode(item)

        return checked if self._carries_rows else encode

    def _write_to_outbox(
        self,
        message: object,
        suffix: str | None,
        using: str | None,
        options: PlainSendKeywords,
    ) -> Ticket:
        outbox = outboxes.of("django_sqs.outbox", f"Queue {self.name!r}: outbox=True")
        ready = self.prepare(message, suffix, **options)
        write = partial(outbox.write, self, suffix, ready.outgoing, using=using)
        if ready.outgoing.unique is None:
            write()
            return ready.ticket
        database = outbox.database(using)
        self._keys.check_outbox(database)
        with transaction.atomic(using=database):
            return ready.claim_and(write)

    def _write_many_to_outbox(
        self,
        items: Iterable[Any],
        suffix: str | None,
        using: str | None,
        options: base.SendManyKeywords,
    ) -> int:
        outbox = outboxes.of("django_sqs.outbox", f"Queue {self.name!r}: outbox=True")
        messages = map(self._encoder(options), items)
        return outbox.write_many(self, suffix, messages, using=using)

    def _encoder(self, options: base.SendManyKeywords) -> Callable[[Any], Outgoing]:
        return self.encoder(options.get("delay"), options.get("group_id"), options.get("expires"))

    async def asend(
        self, message: object = None, suffix: str | None = None, **options: Unpack[SendKeywords]
    ) -> Ticket:
        """Send from asynchronous code; the options are those of :meth:`send`."""
        # A transaction belongs to the thread that Django's database code runs in.
        on_commit = options.get("on_commit")
        waits = asked_for(on_commit) or (on_commit is None and self._carries_rows)
        sensitive = waits or options.get("outbox", False) or options.get("unique") is not None
        send = self.send if sensitive else partial(leaving_no_connection, self.send)
        return await sync_to_async(send, thread_sensitive=sensitive)(message, suffix, **options)

    def send_many(
        self,
        items: Iterable[Any],
        suffix: str | None = None,
        *,
        on_commit: bool | None = None,
        outbox: bool = False,
        using: str | None = None,
        **options: Unpack[base.SendManyKeywords],
    ) -> int:
        """Send many messages; see django_sqs_kombu's class.

        :param on_commit: as in :meth:`send`; the messages are made now, and kept until then.
        :param outbox: as in :meth:`send`; *parallel* and *progress* do not apply.
        :param using: as in :meth:`send`.
        :param options: those of :class:`~django_sqs.keywords.SendManyKeywords`.
        :returns: how many were sent, or will be sent after the commit.
        """
        self.keywords.check_send_many(self.name, self.model, items, options)
        self._check_waiting("send_many", on_commit, outbox, using)
        if outbox:
            return self._write_many_to_outbox(items, suffix, using, options)
        if self._carries_rows and using is None and in_any_transaction():
            items = list(items)
            row = self._row(items[0]) if items else None
            using = None if row is None else database_of(row)
        in_block = transaction.get_connection(using).in_atomic_block
        if not (in_block and self._waits(on_commit, using)):
            return super().send_many(items, suffix, **options)
        encode = self._encoder(options)
        several = base.Several.of(self.receivers, self, self.get_queue(suffix), items, encode)
        send = partial(several.send, options.get("parallel"), options.get("progress"))
        if several.kept:
            after_commit(self, joining_batch(self.receivers, send, [using]), using)
        return several.count()

    def receive(self, message: RawMessage) -> Any:
        """Run the receiver on *message*; with ``once``, unless it was received before."""
        receive = super().receive
        if self.batch is not None:
            return receive(message)  # as a batch of one
        return self._receive([message], lambda new: receive(new[0]))

    def receive_batch(self, messages: list[RawMessage]) -> Any:
        """Run the receiver on *messages*; with ``once``, on those not received before."""
        return self._receive(messages, super().receive_batch)

    def _receive(
        self, messages: list[RawMessage], receive: Callable[[list[RawMessage]], Any]
    ) -> Any:
        for message in messages:
            message_received.send_robust(type(self), queue=self, message=message)
        if not self.once:
            if getattr(self.receiver, "leaves_none_open", False):
                return receive(messages)
            return run_watched(receive, messages)
        receive = leaving_none_open(receive)
        run_once = inboxes.of("django_sqs.inbox", f"Queue {self.name!r}: once=True")
        queue = messages[0].queue
        try:
            return run_once(str(queue and queue.name), messages, receive)
        except Continue as exc:
            # What was done is rolled back, so there is nothing to go on from.
            logger.error("Queue %s: with once=True a Continue starts the message over", self.name)
            raise RestartLater from exc

    def pause(
        self,
        seconds: float | timedelta | None = None,
        *,
        reason: str = "",
        suffix: str | None = None,
    ) -> Pause:
        """Pause receiving from the queue; see django_sqs_kombu's class.

        Workers learn of it at once over SQS_WAKE, otherwise within a minute.
        """
        pause = super().pause(seconds, reason=reason, suffix=suffix)
        tell_of_pause(self.full_name(suffix))
        return pause

    def resume(self, *, suffix: str | None = None) -> None:
        """End a pause, if there is one; workers learn of it as they do in :meth:`pause`."""
        super().resume(suffix=suffix)
        tell_of_pause(self.full_name(suffix))

    def run_async(self, awaitable: Awaitable[Any], timeout: float | None) -> Any:
        """Await what a receiver returned; its database code runs in this thread.

        A receiver that blocks its event loop, so that it cannot be cancelled, is abandoned a
        second after its timeout, if this is the main thread.
        """
        return run_in_receiver_loop(awaitable, timeout)

    @property
    def runs_on_loop(self) -> bool:
        """Whether its receiver may run on a shared loop: not in a transaction."""
        return super().runs_on_loop and not self.once

    def steps(self, message: RawMessage) -> Generator[Awaitable[Any], Any, Any]:
        """Receive *message*, of a receiver that may run on a loop; yield what is to be awaited."""
        message_received.send_robust(type(self), queue=self, message=message)
        return asking_what_is_open(super().steps(message), left_open)

    def counts_as(self, raised: BaseException) -> BaseException:
        """Return what an exception is to the table; many of a database's count as another."""
        return as_it_counts(raised, self.table)

    def around_message(self) -> AbstractContextManager[None]:
        """Maintain the database connections."""
        return around_message(close=self.close_database, timeout=self.timeout)


#: The original's name.
RegisteredQueue = DjangoQueue

# Set here, since RegisteredQueue's default registry is imported above.
project_receivers.queue_class = RegisteredQueue
project_receivers.middleware.append(SignalSender())
