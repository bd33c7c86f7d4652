"""Calls: what is sent wakes the workers of its queue, and what workers do about it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial

from django.db import close_old_connections, transaction

from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.new_threads import start_thread, without_fail
from django_sqs_kombu.registration import Receivers
from django_sqs_kombu.working import Middleware, NamedQueue, Sending, Trip

from ..conf import conf
from ..connections import leaving_no_connection
from ..optional import PAUSES, tell_of_pause, wakers
from ..worker.companions import beside_workers
from .channels import WakeChannel, channel_of

logger = get_logger(__name__)

#: The app whose setting SQS_WAKE is.
APP = "django_sqs"
#: Seconds within which one call for a queue is enough: a worker that was woken polls for
#: 30 s at least.
ENOUGH = 5.0
#: Seconds before a listener that failed tries again.
RETRY_PAUSE = 5.0
#: A channel that kept a caller waiting and then failed is left alone for so many times as long,
#: and for so many seconds at most: senders are not to wait for it again and again.
LEFT_ALONE, LONGEST_ALONE = 10, 60.0
#: Seconds from which on a call that failed has hung; a thread makes up for it later.
HANGS = 0.5


class Caller:
    """Calls the workers of a queue over the channel of SQS_WAKE, when there is one."""

    def __init__(self) -> None:
        # A signal's handler may send while its thread holds it.
        self._lock = threading.RLock()
        self._channel: tuple[str, WakeChannel] | None = None
        self._called: dict[str, float] = {}
        #: Until when no call is tried, since one hung, and the queues that are called then.
        self._alone_until = 0.0
        self._owed: set[str] = set()
        self._later: threading.Thread | None = None

    def call(self, full_name: str, *, always: bool = False) -> bool:
        """Call the workers of the queue; return whether there is a channel, and has not failed.

        A channel that fails is logged: the message was sent, and is found by the next poll.

        :param always: even when they were called a moment ago.
        """
        spec = conf.wake
        if spec and not always and time.monotonic() < self._alone_until:
            self._call_later(full_name)
        elif spec and not self._mutes(full_name, always):
            began = time.monotonic()
            try:
                channel = self._channel_for(spec)

                def send() -> None:
                    # A function: Django's log of a callback that fails asks for its name.
                    self._publish(channel, full_name, always)

                if (database := channel.transaction()) is not None:
                    transaction.on_commit(send, database, robust=True)
                else:
                    send()
            except Exception as exc:  # noqa: BLE001 - whatever a cache or a driver may raise
                waited = time.monotonic() - began
                self._alone_until = time.monotonic() + min(LONGEST_ALONE, waited * LEFT_ALONE)
                logger.warning("Workers of queue %s could not be woken: %s", full_name, exc)
                if waited >= HANGS:
                    self._call_later(full_name)
                return False
        return bool(spec)

    def _call_later(self, full_name: str) -> None:
        """Have a thread call when the channel is tried again."""
        with self._lock:
            self._owed.add(full_name)
            # In a fork the parent's thread is not alive.
            if self._later is not None and self._later.is_alive():
                return
            self._later = threading.Thread(
                target=partial(leaving_no_connection, self._call_owed),
                name="sqs-wake-later",
                daemon=True,
            )
            with suppress(RuntimeError):
                start_thread(self._later)

    def _call_owed(self) -> None:
        while True:
            while (left := self._alone_until - time.monotonic()) > 0:
                time.sleep(left)
            with self._lock:
                if not self._owed:
                    self._later = None
                    return
                owed, self._owed = self._owed, set()
            for full_name in owed:
                self.call(full_name)

    def _publish(self, channel: WakeChannel, full_name: str, always: bool) -> None:
        # Asked again: a transaction may have sent a hundred messages.
        if not self._mutes(full_name, always):
            channel.publish(full_name)
            # Only now: what is not heard must not mute what would be.
            self._called[full_name] = time.monotonic()

    def _mutes(self, full_name: str, always: bool) -> bool:
        return not always and time.monotonic() - self._called.get(full_name, -ENOUGH) < ENOUGH

    def _channel_for(self, spec: str) -> WakeChannel:
        with self._lock:
            if self._channel is None or self._channel[0] != spec:
                self._channel = spec, channel_of(spec)
            return self._channel[1]


caller = Caller()


class WakeOnSend(Middleware):
    """Calls the workers of a queue when something was sent to it, or its breaker has opened."""

    @contextmanager
    def sending(self, sending: Sending) -> Iterator[None]:
        """Call when SQS has accepted it."""
        yield
        caller.call(sending.full_name)

    def tripped(self, registered: NamedQueue, full_name: str, trip: Trip | None) -> None:
        """Have them look for the pause, where the breaker is shared."""
        if trip is not None and trip.shared:
            leaving_no_connection(tell_of_pause, full_name)


def announce(receivers: Receivers) -> None:
    """Wake workers of what *receivers* sends, and let workers listen."""
    if not any(isinstance(each, WakeOnSend) for each in receivers.middleware):
        receivers.middleware.append(WakeOnSend())
    wakers.announce(APP, partial(caller.call, always=True))
    beside_workers.announce(
        APP, lambda beside: Listener(beside.names, beside.wake, beside.look_for_pauses)
    )


class Listener:
    """A thread that hears the calls for the queues of a worker.

    :param names: the queues as they were registered, by their names in SQS.
    :param wake: called with the registered name of a queue that was called.
    :param look: the same, of one that was paused or resumed.
    """

    def __init__(
        self,
        names: Mapping[str, str],
        wake: Callable[[str], None],
        look: Callable[[str], None],
    ) -> None:
        paused = {f"{full_name}{PAUSES}": (look, name) for full_name, name in names.items()}
        self._calls = {**{full: (wake, name) for full, name in names.items()}, **paused}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sqs-wake", daemon=True)

    def start(self) -> None:
        """Start to listen, where SQS_WAKE names a channel."""
        if conf.wake:
            start_thread(self._thread)

    def stop(self) -> None:
        """Listen no more."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(2)

    def _run(self) -> None:
        missed = False
        while not self._stopping.is_set():
            try:
                try:
                    channel_of(conf.wake or "").listen(
                        self._calls, self._heard, self._stopping, missed=missed
                    )
                finally:
                    close_old_connections()
            except Exception as exc:  # noqa: BLE001 - whatever a cache or a driver may raise
                # Whoever calls now is not heard.
                missed = True
                logger.warning("Wake-up calls cannot be received, trying again: %s", exc)
                without_fail(partial(self._stopping.wait, RETRY_PAUSE))

    def _heard(self, full_name: str) -> None:
        if full_name in self._calls:
            logger.debug("Woken for queue %s", full_name)
            call, name = self._calls[full_name]
            call(name)
