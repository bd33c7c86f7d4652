"""Measure: each project is run, and what it does is counted."""

import contextlib
import shutil
import tempfile
import time
from pathlib import Path

from ..servers import stack
from .database import database, environment_of
from .packages import added, python_of
from .projects import PROJECTS
from .running import Running, wait_until

ORDERS = 1_000
#: Seconds that the projects are watched while there is nothing to do.
IDLE = 300
#: Seconds in which what is left comes to its end.
SETTLED = 45
#: Each minute, to see that it comes.
MINUTELY = {"REPORT_AT": "* * * * *"}


def measure(idle=IDLE, orders=ORDERS):
    """All figures, by project; ready for JSON.

    :param idle: how many seconds to watch them when they have nothing to do.
    """
    results = {
        project.name: {
            "title": project.title,
            "lines": project.lines(),
            "files": len(project.files()),
            "packages": added(project),
            "commands": project.commands(),
        }
        for project in PROJECTS
    }
    folder = Path(tempfile.mkdtemp(prefix="beside-"))
    try:
        with contextlib.ExitStack() as running, database() as server:
            each = [
                running.enter_context(Measured.of(project, folder / project.name, server))
                for project in PROJECTS
            ]
            for name, figures in _measured(each, idle, orders).items():
                results[name] |= figures
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return results


class Measured:
    """A project that is run, and what is counted of it."""

    def __init__(self, running, sqs, server):
        self.running, self._sqs, self._server = running, sqs, server
        self.name = running.project.name

    @classmethod
    @contextlib.contextmanager
    def of(cls, project, folder, server):
        """One with an SQS and a database of its own, and all tables."""
        with stack("ministack") as sqs:
            env = environment_of(server.create(project.name), sqs)
            running = Running(project, folder, python_of(project), env)
            running.manage("migrate", "-v", "0")
            yield cls(running, sqs, server)

    def ask(self, query):
        return self._server.ask(self.name, query)

    def mark(self):
        """Count from here on."""
        self._sqs.reset()
        self._statements = self._server.statements(self.name)

    def counted(self):
        """Since :meth:`mark`: requests to SQS by operation, and statements."""
        requests = self._sqs.stats()["requests"]
        return {
            "requests": {name: count for name, count in requests.items() if name != "other"},
            "statements": self._server.statements(self.name) - self._statements,
        }

    def reports(self):
        """How many reports were made."""
        return int(self.ask("SELECT count(*) FROM shop_report"))

    def waiting(self):
        """How many orders are not packed yet."""
        return int(self.ask("SELECT count(*) FROM shop_order WHERE packed IS NULL"))


def _measured(all_of_them, idle, orders):
    with contextlib.ExitStack() as started:
        figures = {}
        for each in all_of_them:
            started.enter_context(each.running.started())
            figures[each.name] = _orders(each, orders)
            print(each.name, figures[each.name], flush=True)
        # What is left to settle, and polls that were short at the start.
        time.sleep(SETTLED)
        for each in all_of_them:
            each.mark()
        time.sleep(idle)
        for each in all_of_them:
            figures[each.name]["idle"] = {**each.counted(), "seconds": idle}
        for each in all_of_them:
            figures[each.name] |= _proofs(each)
    with contextlib.ExitStack() as started:
        for each in all_of_them:
            started.enter_context(each.running.started(**MINUTELY))
        for each in all_of_them:
            wait_until(each.reports, 150, f"{each.name}: the report")
    return figures


def _orders(each, count):
    """What so many orders cost, that are placed and packed."""
    # The first opens connections and makes queues.
    each.running.place(1)
    wait_until(lambda: each.waiting() == 0, 90, f"{each.name}: the first order packed")
    time.sleep(2)
    each.mark()
    each.running.place(count)
    wait_until(lambda: each.waiting() == 0, 300, f"{each.name}: all orders packed")
    # Deletions that are gathered, results that are written.
    time.sleep(5)
    processes, memory = each.running.processes()
    return {
        "orders": {**each.counted(), "count": count},
        "processes": processes,
        "memory_mb": memory,
    }


def _proofs(each):
    """That it is the same feature: tried again, with growing pauses, and not before the commit."""
    each.running.place_for_later(away=2)
    tried = "SELECT extract(epoch FROM packed - first_tried), tries FROM shop_order WHERE away = 2"
    wait_until(lambda: each.waiting() == 0, 120, f"{each.name}: tried again")
    seconds, tries = each.ask(tried).split("|")
    each.running.roll_back()
    time.sleep(2)
    found = {
        "third try after": float(seconds),
        "tries": int(tries),
        "sent after a rollback": "DoesNotExist" in each.running.log(),
        "pages": each.running.pages(),
        "ended": each.running.dead(),
    }
    if "flower" in each.running.project.commands():
        found["flower"] = each.running.flower()
    return found
