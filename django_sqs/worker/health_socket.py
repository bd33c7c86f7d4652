"""HealthSocket: where a runreceiver tells the programs of its user on its host how it is."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.new_threads import start_thread
from django_sqs_kombu.posix import IS_POSIX

from ..conf import conf
from .own_folder import own_folder

logger = get_logger(__name__)

#: Seconds that a worker and who asks it may take; it answers from memory.
PATIENCE = 2.0
#: Seconds before the next connection is accepted where one could not be.
PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Health:
    """What a runreceiver tells of itself.

    :param pid: its process id.
    :param version: of the project, by SQS_VERSION; ``""``: it has none.
    :param queues: the names of those that it receives from.
    :param suffix: the queue name suffix that it uses.
    :param reasons: why it is not ready; none: it is.
    """

    pid: int
    version: str
    queues: Sequence[str]
    suffix: str | None
    reasons: Sequence[str]


class HealthSocket:
    """A socket in the user's folder that answers each connection with a :class:`Health`.

    Where it cannot be, the worker runs without, and the log says why.

    :param health: makes the answer.
    """

    def __init__(self, health: Callable[[], Health]) -> None:
        self._health = health
        self._path: Path | None = None
        self._socket: socket.socket | None = None
        self._stopped = False

    def start(self) -> None:
        """Start answering, in a thread."""
        if not IS_POSIX:
            return
        listening = socket.socket(socket.AF_UNIX)
        try:
            path = own_folder() / f"{_project()}{os.getpid()}"
            # Of those that were killed, with this process id, too; one of another container that
            # has the same is left alone.
            for left in _sockets():
                _remove_if_dead(left)
            # Nobody looks at it before it listens.
            fresh = path.with_name(f"{path.name}.new")
            fresh.unlink(missing_ok=True)
            listening.bind(str(fresh))
            listening.listen()
            fresh.rename(path)
            thread = threading.Thread(
                target=self._answer, args=(listening,), name="sqs-health", daemon=True
            )
            start_thread(thread)
        except (OSError, RuntimeError) as exc:
            listening.close()
            logger.warning("sqs_health cannot reach this worker: %s", exc)
            return
        self._path, self._socket = path, listening

    def stop(self) -> None:
        """Stop answering."""
        self._stopped = True
        if self._socket is not None and self._path is not None:
            with suppress(OSError):
                self._path.unlink()
            with suppress(OSError):
                # The thread's accept() ends.
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()

    def leave(self) -> None:
        """Close it in a forked child, whose parent goes on to answer."""
        if self._socket is not None:
            self._socket.close()

    def _answer(self, listening: socket.socket) -> None:
        while not self._stopped:
            try:
                connection, _ = listening.accept()
            except OSError:
                # No file is left, for instance, or it is the end.
                time.sleep(PAUSE)
                continue
            with connection:
                self._tell(connection)

    def _tell(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(PATIENCE)
            connection.sendall(json.dumps(asdict(self._health())).encode())
        except OSError as exc:
            logger.debug("The client that asked for this worker's health has gone: %s", exc)
        except Exception:
            logger.exception("This worker's health cannot be reported")


def healths() -> Iterator[tuple[int, Health | None]]:
    """The process ids of the project's runreceivers on this host, and what each tells.

    None where one does not answer.  Those of other users are not seen.

    :raises OSError: the user has no folder for it.
    """
    for path in _sockets():
        pid = int(path.name.rpartition("-")[2])
        try:
            yield pid, _ask(path)
        except (ConnectionRefusedError, FileNotFoundError):
            # It has ended, or was killed.
            continue
        except (OSError, ValueError, TypeError) as exc:
            logger.debug("Process %d does not report its health: %s", pid, exc)
            yield pid, None


def _ask(path: Path) -> Health:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(PATIENCE)
        asking.connect(str(path))
        answer = b""
        while part := asking.recv(65_536):
            answer += part
    return Health(**json.loads(answer))


def _remove_if_dead(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(PATIENCE)
        try:
            asking.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError:
            return


def _sockets() -> list[Path]:
    project = _project()
    return [
        path
        for path in sorted(own_folder().glob(f"{project}*"))
        if path.name.removeprefix(project).isdigit()
    ]


def _project() -> str:
    """The beginning of the names of a project's sockets."""
    key = f"{os.environ.get('DJANGO_SETTINGS_MODULE')} {conf.prefix}"
    return f"health-{hashlib.sha256(key.encode()).hexdigest()[:12]}-"
