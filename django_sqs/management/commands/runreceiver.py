"""manage.py runreceiver: run the receivers of registered queues."""

from __future__ import annotations

import argparse
import io
import logging
import sys
from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.core.management.base import CommandError, CommandParser

from django_sqs.conf import conf
from django_sqs.development.reloader import (
    Reloader,
    is_reloaded,
    own_command,
    stop_without_reloader,
)
from django_sqs.management.base import QueueCommand
from django_sqs.management.pid_file import pid_file
from django_sqs.management.stopping import stop_by_signals
from django_sqs.registry import receivers
from django_sqs.worker import exit_codes
from django_sqs.worker.chosen import chosen_here
from django_sqs.worker.ending import end_in_time
from django_sqs.worker.fleet import Fleet, Plan
from django_sqs.worker.recycling import Recycling
from django_sqs_kombu.posix import require_posix
from django_sqs_kombu.registration import RegisteredQueue
from django_sqs_kombu.working import taking_all

PER_QUEUE = "per-queue"
LAST_PORT = 65_535


def positive(text: str) -> int:
    """An argument that is a whole number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return number


def processes(text: str) -> int | str:
    """The argument of --processes."""
    return PER_QUEUE if text == PER_QUEUE else positive(text)


def address(text: str) -> tuple[str, int]:
    """The argument of --http."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) <= LAST_PORT):
        raise argparse.ArgumentTypeError(
            f"must be HOST:PORT, [IPV6]:PORT or :PORT with a port up to {LAST_PORT}, not {text!r}"
        )
    return host.strip("[]") or "127.0.0.1", int(port)


address.__name__ = "HOST:PORT"
processes.__name__ = f"number of processes, or '{PER_QUEUE}'"
positive.__name__ = "number"


class Command(QueueCommand):
    """Runs receivers in this process or in forked ones."""

    help = (
        "Run the receivers of the queues registered with django_sqs, all or those named. "
        "Several queues get a process each. Exit codes: 0 done or stopped, 1 configuration "
        "error, 2 wrong arguments, 4 receivers were cut off at the stop."
    )
    suffix_help = "Use this queue name suffix."
    has_format = False
    needs_output = False

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the command line."""
        super().add_arguments(parser)
        parser.add_argument(
            "--message-limit",
            type=positive,
            metavar="N",
            help="Exit after receiving N messages of each queue.",
        )
        parser.add_argument(
            "--processes",
            type=processes,
            default=PER_QUEUE,
            metavar="N|per-queue",
            help="N processes that each serve all the queues; default: one for each queue.",
        )
        parser.add_argument(
            "--threads",
            type=positive,
            default=1,
            metavar="N",
            help="Run up to N receivers at once in each process. Default: 1.",
        )
        parser.add_argument(
            "--coroutines",
            type=positive,
            metavar="N",
            help="Run up to N receivers written as 'async def' together on one event loop in each "
            "process; their synchronous code, such as the ORM's, runs in as many threads as "
            "--threads says. Default: they run like all others.",
        )
        parser.add_argument(
            "--recycle-after",
            type=positive,
            metavar="N",
            help="Replace a process after N messages, or at random up to a tenth fewer.",
        )
        parser.add_argument(
            "--recycle-memory",
            type=positive,
            metavar="MB",
            help="Replace a process after a message if it uses more than this many MiB of "
            "resident memory, or at random up to a tenth fewer.",
        )
        parser.add_argument(
            "--stop-when-idle",
            type=positive,
            metavar="SECONDS",
            help="Exit after this time in which nothing was received, nothing ran and the queues "
            "were empty: no message visible, in flight or delayed. Paused queues are ignored, and "
            "those whose --message-limit is reached.",
        )
        parser.add_argument(
            "--http",
            type=address,
            metavar="HOST:PORT",
            help="Serve /healthz, /readyz, /metrics and /wake at this address, for instance "
            "127.0.0.1:8081.",
        )
        parser.add_argument(
            "--reload",
            action="store_true",
            help="For development: restart when a file of the project changes.",
        )
        parser.add_argument(
            "--bury",
            action="store_true",
            help="Once a minute, move dead letters from SQS to the database (django_sqs.failures).",
        )
        parser.add_argument("--pid-file", metavar="F", help="Keep the process id in this file.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until done or stopped, and exit with the code that says which."""
        _log_to_stderr(options["verbosity"])
        _show_output_at_once()
        if options["reload"] and not is_reloaded():
            require_posix("--reload needs")
            # Two at once would want the same port or file.
            self._reload(alone=bool(options["http"] or options["pid_file"]))
            return
        stop_without_reloader()
        if options["bury"] and not apps.is_installed("django_sqs.failures"):
            raise CommandError("--bury needs 'django_sqs.failures' in INSTALLED_APPS.")
        queues = self._queues(options["queue_names"])
        if options["coroutines"]:
            _check_coroutines(queues)
        taking = taking_all(
            receivers, queues, chosen=options["queue_names"], but=conf.lambda_queues
        )
        with pid_file(options["pid_file"]), taking:
            code = self._run(queues, options)
        if code != exit_codes.OK:
            sys.exit(code)

    def _reload(self, *, alone: bool) -> None:
        self._announce("Watching for changes; end it with Ctrl-C.")
        reloader = Reloader(own_command(), stop_by_signals(), alone=alone)
        sys.exit(reloader.run())

    def _queues(self, names: Sequence[str]) -> list[RegisteredQueue]:
        chosen = chosen_here(names)
        for registered in chosen if names else []:
            if registered.receiver is None:
                raise CommandError(
                    f"Queue {registered.name!r} has no receiver: it is registered for sending only."
                )
        queues = [registered for registered in chosen if registered.receiver is not None]
        if not queues and any(each.receiver is not None for each in receivers.select(names)):
            raise CommandError(
                "There is nothing to receive: SQS_LAMBDA_QUEUES leaves every queue to AWS Lambda."
            )
        if not queues:
            raise CommandError(
                "There is nothing to receive: no receiver is registered. Decorate a function "
                "with @django_sqs.receiver(...) in the receivers.py of an app in INSTALLED_APPS."
            )
        return queues

    def _run(self, queues: list[RegisteredQueue], options: dict[str, Any]) -> int:
        for registered in queues:
            name = registered.full_name(options["suffix"])
            self._announce(f"Receiving from queue {registered.name} ({name})")
        count = options["processes"]
        plan = Plan(
            queues,
            suffix=options["suffix"],
            processes=None if count == PER_QUEUE else count,
            threads=options["threads"],
            coroutines=options["coroutines"],
            message_limit=options["message_limit"],
            http=options["http"],
            bury=options["bury"],
            stop_when_idle=options["stop_when_idle"],
            # The next one is there, with the code that was changed.
            starts_after_stop=not is_reloaded(),
            recycling=Recycling(options["recycle_after"], options["recycle_memory"]),
        )
        try:
            fleet = Fleet(plan)
        except OSError as exc:
            raise CommandError(f"--http: cannot listen there: {exc}") from exc
        if fleet.control is not None:
            self._announce(f"Health and metrics at {fleet.control.url}")
        code = exit_codes.ERROR
        try:
            code = fleet.run()
        finally:
            # Whoever calls it otherwise decides for itself when its process ends.
            if getattr(self, "_called_from_command_line", False):
                # Where receivers were cut off, nothing else is waited for.
                end_in_time(code, 0.0 if code == exit_codes.CUT_OFF else fleet.grace_left)
        return code

    def _announce(self, text: str) -> None:
        """Say it at once, if that can be: a worker also works where its disk is full.

        Or without an output: Python has none if it was started so.
        """
        try:
            self.stdout.write(text)
            self.stdout.flush()
        except BrokenPipeError:
            # Nobody reads what it writes: it ends, as all commands do.
            raise
        except (OSError, AttributeError):
            pass


def _check_coroutines(queues: list[RegisteredQueue]) -> None:
    if any(queue.runs_on_loop for queue in queues):
        return
    names = ", ".join(queue.name for queue in queues)
    raise CommandError(
        f"--coroutines is for receivers written as 'async def', and no queue of {names} has one "
        "that can run that way (with once=True or batch= a receiver has a thread of its own, and "
        "so have tasks without the option 'coroutines' of their backend). Leave the option out."
    )


def _show_output_at_once() -> None:
    """Show each line that a receiver prints, also where the output goes to a file or a pipe."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)


def _log_to_stderr(verbosity: int) -> None:
    """Show the log to a person whose project does not configure it."""
    if logging.getLogger("django_sqs").hasHandlers():
        return
    levels = {0: logging.ERROR, 1: logging.WARNING, 2: logging.INFO}
    logging.basicConfig(format="%(asctime)s %(levelname)s [%(process)d] %(message)s")
    for name in ("django_sqs", "django_sqs_kombu"):
        logging.getLogger(name).setLevel(levels.get(verbosity, logging.DEBUG))
