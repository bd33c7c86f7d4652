"""A Python that has loaded Django, Kombu and boto3, of which scripts of tests are forked.

What tests do by ``manage.py shell`` is no test of how that starts, which takes most of the time.
``python -m tests.warm`` serves one client on its standard input: for each request, a line of
JSON, a child runs the command; two lines answer it: the child's pid, and its exit code.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import threading
from types import SimpleNamespace

from .processes import ROOT

#: What can be loaded without settings.
LOADED = (
    *("boto3", "django_sqs", "django_sqs_kombu.transport"),
    *("django.core.management.commands.shell", "django.db.models", "django.urls"),
    *("django.db.backends.sqlite3.base", "django.template.backends.django"),
)


class Done:
    """What there is of a command that has run to its end."""

    def __init__(self, pid, code, output):
        self.pid = pid
        self.output = output
        self.popen = SimpleNamespace(pid=pid, returncode=code, poll=lambda: code)

    def wait(self, timeout=None):
        return self.popen.returncode


class Warm:
    """The client; the process that it forks from starts with the first command."""

    def __init__(self):
        self._popen = None
        self._lock = threading.Lock()

    def run(self, arguments, env, timeout):
        """Run a management command to its end.

        :return: None where another runs just now, or the command needs a Python of its own.
        """
        if not hasattr(os, "fork") or of_python(env) != of_python(os.environ):
            return None
        if not self._lock.acquire(blocking=False):
            return None
        try:
            with tempfile.NamedTemporaryFile("r") as output:
                pid, code = self._run(arguments, env, output.name, timeout)
                return Done(pid, code, output.read())
        except subprocess.TimeoutExpired:
            raise
        except BaseException:
            # An answer may be on its way that is to no later request.
            self._end()
            raise
        finally:
            self._lock.release()

    def _run(self, arguments, env, file, timeout):
        if self._popen is None or self._popen.poll() is not None:
            self._start()
        asked = {"arguments": arguments, "env": env, "file": file}
        with open(self._popen.stdin.fileno(), "w", closefd=False) as requests:
            print(json.dumps(asked), file=requests)
        pid = int(self._popen.stdout.readline())
        in_time, _, _ = select.select([self._popen.stdout], [], [], timeout)
        if not in_time:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        code = int(self._popen.stdout.readline())
        if not in_time:
            raise subprocess.TimeoutExpired(arguments, timeout)
        return pid, code

    def _end(self):
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()
            self._popen = None

    def _start(self):
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "tests.warm"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Nothing is read ahead, where select() would not see it.
            bufsize=0,
        )
        atexit.register(self._popen.kill)


def of_python(env):
    """What a Python reads when it starts; whether it buffers its output matters to none."""
    return {
        name: value
        for name, value in env.items()
        if name.startswith("PYTHON") and name != "PYTHONUNBUFFERED"
    }


def serve():
    """Fork a child for each request; return in the child, and at the end of requests."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            answers.close()
            become(**json.loads(line))
            return True
        print(pid, file=answers)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), file=answers)
    return False


def become(arguments, env, file):
    """Be the process that the client would have started."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for fd, to in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(fd, to)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [str(ROOT / "tests" / "site" / "manage.py"), *arguments]


if __name__ == "__main__":
    for name in LOADED:
        importlib.import_module(name)
    # What is shared with the children is not to be copied for the collector's notes.
    gc.freeze()
    if serve():
        runpy.run_path(sys.argv[0], run_name="__main__")
