"""Running: a project with all its processes, seen from outside."""

import contextlib
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

from ..servers import ask, free_port

#: Prints what a page answers to a member of the staff, and whether it names the task.
LOOK = """
from django.contrib.auth.models import User
from django.test import Client
client = Client(headers={"host": "127.0.0.1"})
user, _ = User.objects.get_or_create(username="staff", is_staff=True, is_superuser=True)
client.force_login(user)
answer = client.get(%r)
print(answer.status_code, b"pack" in answer.content)
"""
PLACE = "from shop.orders import place_order\nfor _ in range(%d): place_order()"
ROLL_BACK = """
from django.db import transaction
from shop.orders import place_order
with transaction.atomic():
    place_order()
    transaction.set_rollback(True)
"""


class Running:
    """A project in a folder of its own, with its database and its SQS."""

    def __init__(self, project, folder, python, env):
        self.project, self._folder = project, folder
        self._python = Path(python)
        self._env = {**env, "PATH": f"{self._python.parent}{os.pathsep}{env['PATH']}"}
        self._env["FLOWER_UNAUTHENTICATED_API"] = "true"
        # The projects import this library from where pip put it, as the others.
        self._env.pop("PYTHONPATH", None)
        self._processes = {}
        self.flower_port = free_port()
        project.write(folder)

    def manage(self, *arguments):
        """Run a management command; what it printed."""
        done = subprocess.run(
            [self._python, "manage.py", *arguments],
            cwd=self._folder,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode:
            raise RuntimeError(f"{self.project.name}: {arguments[:2]}: {done.stderr[-1000:]}")
        return done.stdout

    def place(self, count):
        """Place orders, each in a transaction of its own, as a site does."""
        self.manage("shell", "-v", "0", "-c", PLACE % count)

    def place_for_later(self, away):
        """Place one for which the warehouse is away so many times."""
        self.manage(
            *("shell", "-v", "0", "-c"),
            f"from shop.orders import place_order\nplace_order(away={away})",
        )

    def roll_back(self):
        """Place an order, and think better of it."""
        self.manage("shell", "-v", "0", "-c", ROLL_BACK)

    def pages(self):
        """By page: its status, and whether the task's name is on it."""
        found = {}
        for page in self.project.pages:
            status, named = self.manage("shell", "-v", "0", "-c", LOOK % page).split()
            found[page] = {"status": int(status), "names the task": named == "True"}
        return found

    def flower(self):
        """What Flower knows, by its API: how many workers and tasks; None where it does not say."""
        url = f"http://127.0.0.1:{self.flower_port}/api"
        return {name: _counted(f"{url}/{name}") for name in ("workers", "tasks")}

    @contextlib.contextmanager
    def started(self, **env):
        """All that is to be run beside the site, until the block ends."""
        try:
            for name, command in self.project.commands().items():
                self._processes[name] = self._start(name, command, env)
            yield
        finally:
            for each in self._processes.values():
                each.send_signal(signal.SIGTERM)
            for each in self._processes.values():
                self._end(each)
            self._processes.clear()

    def dead(self):
        """The names of what has ended by itself."""
        return [name for name, each in self._processes.items() if each.poll() is not None]

    def log(self):
        """What all of them have written."""
        files = self._folder.glob("*.log")
        return "\n".join(file.read_text(errors="replace") for file in files)

    def processes(self):
        """How many processes that is, by what was started, and their memory in MB."""
        found = {name: _of_session(each.pid) for name, each in self._processes.items()}
        memory = sum(_proportional_kb(pid) for pids in found.values() for pid in pids) / 1024
        return {name: len(pids) for name, pids in found.items()}, memory

    def _start(self, name, command, env):
        if name == "flower":
            command += f" --address=127.0.0.1 --port={self.flower_port}"
        with (self._folder / f"{name}.log").open("a") as log:
            return subprocess.Popen(
                shlex.split(command),
                cwd=self._folder,
                env={**self._env, **env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _end(self, process):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        # With what it has started, which nobody else would end.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _counted(url):
    try:
        return len(ask(url))
    except OSError:
        return None


def _of_session(leader):
    """The ids of the processes that *leader* has started, itself included."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # The fields after the name, which may have spaces: state, parent, group, session.
            if int((folder / "stat").read_text().rpartition(") ")[2].split()[3]) == leader:
                found.append(int(folder.name))
    return found


def _proportional_kb(pid):
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def wait_until(condition, seconds, what):
    """Wait for *condition*.

    :raises RuntimeError: it does not come true in that time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"after {seconds} s still not: {what}")
        time.sleep(0.5)
