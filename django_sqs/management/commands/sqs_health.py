"""manage.py sqs_health: whether the workers of this host do their work, for exec probes."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import connections

from django_sqs.management.base import SQSCommand
from django_sqs.operations.queues import Target
from django_sqs.operations.states import states
from django_sqs.registry import receivers
from django_sqs.worker.health_socket import Health, healths
from django_sqs_kombu.new_threads import start_thread

#: Seconds for SQS, and for the databases.
PATIENCE = 5.0


class Command(SQSCommand):
    """Asks the workers, and with --deep what they depend on."""

    help = (
        "Say in one line whether the runreceiver processes of this project and user on this host "
        "are ready, as /readyz does. Exit codes: 0 all are ready, 1 one is not, or none is running."
    )
    has_format = False
    # A probe is to be quick, and a wrong setting is not the worker's.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        super().add_arguments(parser)
        parser.add_argument(
            "--alive",
            action="store_true",
            help="Check only that they run and answer, as /healthz does: for health checks that "
            "restart them.",
        )
        parser.add_argument(
            "--deep",
            action="store_true",
            help="Also check each of their queues in SQS, and each database, from this process.",
        )
        parser.add_argument(
            "--require-version",
            metavar="V",
            help="Fail unless they run this release of the project (setting SQS_VERSION).",
        )
        parser.add_argument(
            "--pid-file", metavar="F", help="Check only the runreceiver with this --pid-file."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Say how they are."""
        found = _chosen(options["pid_file"])
        for pid, health in found:
            for problem in _problems(health, options):
                raise CommandError(f"Worker {pid} {problem}")
        answered = [health for _, health in found if health is not None]
        if options["deep"]:
            for problem in (*_of_sqs(answered), *_of_databases()):
                raise CommandError(problem)
        queues = sorted({queue for health in answered for queue in health.queues})
        pids = ", ".join(str(health.pid) for health in answered)
        how = "alive" if options["alive"] else "ready"
        self.stdout.write(f"ok: worker {pids} is {how} ({', '.join(queues)})")


def _chosen(pid_file: str | None) -> list[tuple[int, Health | None]]:
    try:
        found = list(healths())
        if pid_file is None:
            if not found:
                raise CommandError(
                    "No runreceiver of this project and user is running on this host"
                )
            return found
        with open(pid_file) as file:
            pid = int(file.read(20))
    except OSError as exc:
        raise CommandError(f"The worker cannot be found: {exc}") from exc
    except ValueError as exc:
        raise CommandError(f"{pid_file} holds no process id") from exc
    chosen = [each for each in found if each[0] == pid]
    if not chosen:
        raise CommandError(f"Process {pid} of {pid_file} is not a runreceiver, or does not answer")
    return chosen


def _problems(health: Health | None, options: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a worker, the worst first."""
    if health is None:
        yield "does not answer"
        return
    wanted = options["require_version"]
    if wanted is not None and health.version != wanted:
        runs = f"runs version {health.version}" if health.version else "has no SQS_VERSION"
        yield f"{runs}, not {wanted}"
    if health.reasons and not options["alive"]:
        more = f" (and {len(health.reasons) - 1} more)" if len(health.reasons) > 1 else ""
        yield f"is not ready: {_one_line(health.reasons[0])}{more}"


def _of_sqs(answered: Iterable[Health]) -> Iterator[str]:
    """What is wrong with the queues in SQS."""
    served = sorted({(queue, each.suffix or "") for each in answered for queue in each.queues})
    targets = [Target(receivers.get(queue), suffix or None) for queue, suffix in served]
    found = states(targets, dead_letters=False, pauses=False, patience=PATIENCE)
    for target, state in zip(targets, found, strict=True):
        if state.error:
            yield f"SQS, queue {target.full_name}: {_one_line(state.error)}"
        elif state.counts is None:
            yield f"SQS has no queue {target.full_name}"


def _of_databases() -> Iterator[str]:
    """What is wrong with the databases."""
    problems: dict[str, str | None] = {}
    aliases = [each.alias for each in connections.all() if each.vendor != "unknown"]
    # One that hangs is left behind with its thread.
    threads = [
        threading.Thread(target=_ask_database, args=(alias, problems), daemon=True)
        for alias in aliases
    ]
    for thread in threads:
        start_thread(thread)
    for alias, thread in zip(aliases, threads, strict=True):
        thread.join(PATIENCE)
        problem = problems.get(alias, f"no answer within {PATIENCE:g} s")
        if problem is not None:
            yield f"Database {alias!r}: {_one_line(problem)}"


def _ask_database(alias: str, problems: dict[str, str | None]) -> None:
    connection = connections[alias]
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        problems[alias] = None
    except Exception as exc:  # noqa: BLE001 - whatever a driver says
        problems[alias] = str(exc) or type(exc).__name__
    finally:
        connection.close()


def _one_line(text: str) -> str:
    return " ".join(text.split())
