"""Transactions that a receiver began and left open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, TypeVar

from django.db import Error, connections

from django_sqs_kombu.exceptions import EnvironmentFailure, SQSError, TimedOut

from .connections import drop, used_here
from .half_read import close_cursors, cursors_here

Arguments = TypeVar("Arguments")
Result = TypeVar("Result")
Depths = dict[str, int]

#: The alias of no database, for blocks that are left after their transaction was rolled back.
_GONE = "django_sqs: rolled back"


class TransactionLeftOpen(SQSError):
    """A receiver returned while a transaction that it began was open.

    Nobody will commit it, so what it wrote there is not in the database: its message has failed.
    """

    def __init__(self, aliases: Iterable[str]) -> None:
        self.aliases = list(aliases)
        super().__init__(
            "The receiver returned inside a transaction that it had opened on "
            f"{', '.join(self.aliases)}, and what it wrote there is rolled back. Leave each "
            "transaction.atomic() before the receiver returns: one inside a generator stays open "
            "until the generator is closed."
        )


def leaving_none_open(receive: Callable[[Arguments], Result]) -> Callable[[Arguments], Result]:
    """*receive*, with what it leaves open rolled back before anything else uses the connection.

    What is written of a message afterwards would be rolled back, too, with the next message at
    the latest.

    :raises TransactionLeftOpen: by what is returned: the receiver returned so.
    :raises EnvironmentFailure: by what is returned: the transaction around the receiver is no
        longer open.
    """
    # Open already: a test's, which is left to it.
    outside = _depths()

    def call(arguments: Arguments) -> Result:
        # Open already: that of once=True.
        return _watched(receive, arguments, outside, _depths())

    return call


def run_watched(receive: Callable[[Arguments], Result], arguments: Arguments) -> Result:
    """Run *receive* now, as what :func:`leaving_none_open` returns does."""
    # Nothing is opened in between, so one look says what both would.
    before = _depths()
    return _watched(receive, arguments, before, before)


def _watched(
    receive: Callable[[Arguments], Result], arguments: Arguments, outside: Depths, inside: Depths
) -> Result:
    cursors = cursors_here()
    try:
        result = receive(arguments)
    except BaseException as exc:
        interrupted = issubclass(type(exc), TimedOut)
        close_cursors(cursors, interrupted=interrupted)
        if left := _deeper(_depths(), inside):
            # One that was interrupted may be a decorator's, which is entered again.
            _roll_back(left, inside, outside, for_good=not interrupted)
        raise
    close_cursors(cursors)
    after = _depths()
    if after == inside:
        return result
    if left := _deeper(after, inside):
        _roll_back(left, inside, outside, for_good=True)
        raise TransactionLeftOpen(left)
    if ended := _deeper(inside, after):
        raise EnvironmentFailure(
            f"The receiver ended the transaction around it on {', '.join(ended)}"
        )
    return result


def asking_what_is_open(
    steps: Generator[Awaitable[Any], Any, Any], left_open: Callable[[], list[str]]
) -> Generator[Awaitable[Any], Any, Any]:
    """*steps*, into which TransactionLeftOpen is thrown where what was awaited has left one open.

    :param left_open: returns on which databases there is one.
    """
    try:
        awaitable = next(steps)
        while True:
            try:
                value = yield awaitable
            except BaseException as exc:  # noqa: BLE001 - it is for those steps
                awaitable = steps.throw(exc)
                continue
            if left := left_open():
                awaitable = steps.throw(TransactionLeftOpen(left))
            else:
                awaitable = steps.send(value)
    except StopIteration as stop:
        return stop.value


def open_here() -> list[str]:
    """The databases on which this thread is within a transaction."""
    return list(_depths())


def _depths() -> Depths:
    """How many blocks are open on each database; one for a transaction without a block."""
    found = {}
    for each in used_here():
        if each.in_atomic_block:
            found[each.alias] = len(each.atomic_blocks)
        elif each.connection is not None and _has_begun(each):
            found[each.alias] = 1
    return found


def _has_begun(connection: Any) -> bool:
    """Whether there is a transaction without a block, as of set_autocommit(False), or a BEGIN.

    Asked of the driver's memory, not of the server; MySQL's have none.
    """
    driver = connection.connection
    if driver is None:
        return False
    try:
        if connection.vendor == "sqlite":
            return bool(driver.in_transaction)
        if connection.vendor == "postgresql":
            # psycopg 3 makes an object of what it says in info, at ten times the CPU.
            said = getattr(driver, "pgconn", None) or driver.info
            # 0: idle, 4: unknown, as of a connection that is closed; libpq's numbers.
            return int(said.transaction_status) not in (0, 4)
    except Exception:  # noqa: BLE001 - a driver of another kind
        return False
    return False


def _deeper(these: Depths, those: Depths) -> list[str]:
    return [alias for alias, depth in these.items() if depth > those.get(alias, 0)]


def _roll_back(aliases: list[str], inside: Depths, outside: Depths, *, for_good: bool) -> None:
    for alias in aliases:
        connection = connections[alias]
        blocks = connection.atomic_blocks[inside.get(alias, 0) :]
        if alias in outside:
            for block in reversed(blocks):
                # As if what it is around had raised.
                with suppress(Error):
                    block.__exit__(TransactionLeftOpen, None, None)
        if for_good:
            _detach(blocks)
        if alias not in outside:
            drop(connection)


def _detach(blocks: Iterable[Any]) -> None:
    """Have blocks that are left some time, as when a generator is closed, do nothing then.

    Each would roll back whatever is open on the connection at that time: another message's.
    """
    # In any thread: garbage collection closes generators in whichever it runs.  What is set on
    # the object itself, past its own storage, is there for all.
    handler: Any = connections
    with suppress(AttributeError):
        object.__setattr__(handler._connections, _GONE, _gone())
    for block in blocks:
        block.using = _GONE


def _gone() -> Any:
    """What a block that is left asks of its connection, for one that is closed already."""
    return SimpleNamespace(
        atomic_blocks=[],
        closed_in_transaction=True,
        commit_on_exit=True,
        connection=None,
        in_atomic_block=False,
        needs_rollback=False,
        savepoint_ids=[],
    )
