"""What receiving needs to know of a queue, of its registry and of a delivery: protocols."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import kombu

from ..exceptions import SQSError
from ..messages.base import Delivery, RawMessage
from .breaker import Breaker
from .masking import Mask
from .middleware import Middleware, NamedQueue
from .policy import Policy
from .rate import Counter, Rate
from .slots import Scheduled
from .table import Action, Row
from .tickets import TicketStore
from .upkeep import ThreadUpkeep


class Received(Delivery, Protocol):
    """A delivery that a receiver is to run on."""

    def delete_now(self) -> None:
        """Delete the message; return when SQS has done it."""

    def send_parts(self, texts: Mapping[str, str]) -> dict[str, SQSError]:
        """Send to its queue what the message stands for, by name; return why SQS took some not."""


@dataclass(slots=True)
class Attempt:
    """How a receiver ended.

    :param message: what the message class made of the delivery, if it could.
    :param raised: what was raised, by the receiver or before it; None: it returned.
    :param result: what it returned.
    :param seconds: how long decoding and the receiver took.
    """

    message: RawMessage | None = None
    raised: BaseException | None = None
    result: Any = None
    seconds: float = 0.0


@runtime_checkable
class NotesEnds(Protocol):
    """A receiver, an object that can be called, which hears the end of each of its messages.

    Also of those that it was never called with: what cannot be decoded, or has killed its
    process too often.
    """

    def settling(self, delivery: Received, action: Action, raised: BaseException | None) -> None:
        """*action* is about to be done with a message; what is noted now is written before.

        It is called in the receiver's thread.  What it raises is logged, and harms nothing.

        :param raised: what the receiver, or the way to it, raised.
        """


class Registry(Protocol):
    """Queues with their receivers, and what is there around all of them."""

    @property
    def middleware(self) -> Sequence[Middleware]:
        """What stands around each message."""

    def select(self, queue_names: Iterable[str] = ()) -> Sequence[Registered]:
        """The queues of these names, or all."""

    @property
    def counter(self) -> Counter | None:
        """Where all workers count what they receive by a rate; None: each process by itself."""

    @property
    def tickets(self) -> TicketStore | None:
        """Where is noted what was cancelled; None: nothing can be."""

    @property
    def mask(self) -> Mask | None:
        """What logs may show of bodies; None: all."""

    def new_connection(self) -> kombu.Connection:
        """A new connection to SQS."""

    @property
    def upkeep(self) -> ThreadUpkeep:
        """Looks after the threads that run synchronous code for an event loop."""


class Registered(NamedQueue, Scheduled, Protocol):
    """A queue with its receiver and its options."""

    @property
    def receivers(self) -> Registry:
        """The registry that it belongs to."""

    @property
    def receiver(self) -> Callable[[Any], Any] | None:
        """Called with each message; None: the queue is for sending only."""

    @property
    def message_class(self) -> type[RawMessage]:
        """What the messages' bodies mean."""

    @property
    def timeout(self) -> float | None:
        """Seconds that the receiver may run; None: any time."""

    @property
    def delete_on_start(self) -> bool:
        """Whether a message is deleted before its receiver runs, not after."""

    @property
    def full_dead_letter_name(self) -> str | None:
        """The name in SQS of the dead-letter queue that was registered, if any."""

    @property
    def concurrency(self) -> int | None:
        """How many of its receivers run at once in a process; None: any number."""

    @property
    def rate(self) -> Rate | None:
        """How many of its messages may be received in a time."""

    @property
    def breaker(self) -> Breaker | None:
        """What stops receiving for a while when much fails."""

    @property
    def batch(self) -> int | None:
        """How many messages its receiver gets at once, at most; None: it gets one."""

    @property
    def wait(self) -> float:
        """Seconds that the first message of a batch waits for others."""

    @property
    def bisects(self) -> bool:
        """Whether the messages are sought that a batch failed for."""

    @property
    def policy(self) -> Policy:
        """What is done with a message whose receiver fails, the registry's defaults included."""

    @property
    def table(self) -> tuple[Row, ...]:
        """What becomes of its messages."""

    @property
    def priority(self) -> int:
        """Messages of the queues with a higher one are received first."""

    def get_queue(self, suffix: str | None = None) -> kombu.Queue:
        """The queue as a :class:`kombu.Queue`, with its declaration."""

    def around_message(self) -> AbstractContextManager[None]:
        """A context in which each message is decoded, received and settled."""

    def counts_as(self, raised: BaseException) -> BaseException:
        """What an exception of a message class or a receiver is to the table."""

    def attempt(self, delivery: Received, queue: kombu.Queue) -> Attempt:
        """Decode *delivery* and run the receiver on it."""

    def receive(self, message: RawMessage) -> Any:
        """Run the receiver on *message*, within ``timeout``; return what it returns."""

    def receive_batch(self, messages: list[RawMessage]) -> Any:
        """Run the receiver on several messages at once, within ``timeout``."""

    @property
    def runs_on_loop(self) -> bool:
        """Whether its receiver may run on an event loop that it shares with others."""

    def steps(self, message: RawMessage) -> Generator[Awaitable[Any], Any, Any]:
        """Receive *message*, of a receiver that may run on a loop; yield what is to be awaited.

        What comes of that is sent in, or raised, where it was yielded.
        """

    def run_async(self, awaitable: Awaitable[Any], timeout: float | None) -> Any:
        """Await what a receiver returned, for *timeout* seconds; return what comes of it."""
