"""The supervisor of real processes: what it reaps, and how its children end."""

import os
import shutil
import subprocess
import sys

import pytest

from ...processes import ROOT

#: Children leave processes behind, whose parent PID 1 is then.
ORPHANS = """
import os, time
from pathlib import Path
from django_sqs.worker.supervisor import Child, Supervisor

def zombies():
    states = [Path(f"/proc/{p}/stat").read_text() for p in os.listdir("/proc") if p.isdigit()]
    fields = [state.rpartition(")")[2].split() for state in states]
    return sum(state == "Z" and parent == "1" for state, parent, *_ in fields)

def run():
    for _ in range(20):
        if os.fork() == 0:
            if os.fork() == 0:
                time.sleep(0.2)
            os._exit(0)
        os.wait()
    deadline = time.monotonic() + 10
    time.sleep(0.5)
    while zombies() and time.monotonic() < deadline:
        time.sleep(0.1)
    print("zombies:", zombies(), "parent:", os.getppid())
    return 0

raise SystemExit(Supervisor([Child("a", run)], grace_period=5).run())
"""

#: A wake-up call of another thread.
WOKEN = """
import os, signal, threading, time
from django_sqs.worker.supervisor import Child, Supervisor

kill, senders = os.kill, set()

def note(pid, number):
    senders.add(threading.current_thread().name)
    kill(pid, number)

def run():
    signal.alarm(20)
    return signal.sigwait([signal.SIGUSR1]) - signal.SIGUSR1

def wake():
    while child.pid is None:
        time.sleep(0.05)
    supervisor.wake()

os.kill = note
child = Child("a", run)
supervisor = Supervisor([child], grace_period=5)
threading.Thread(target=wake).start()
code = supervisor.run()
print("signals sent by", *senders)
raise SystemExit(code)
"""

#: A child's spans are exported in batches, and its end is near.
SPANS = """
import sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from django_sqs.worker.supervisor import Child, Supervisor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(out=sys.stdout)))
trace.set_tracer_provider(provider)

def run():
    trace.get_tracer("shop").start_span("the last span").end()
    return 0

raise SystemExit(Supervisor([Child("a", run)], grace_period=5).run())
"""

#: A child's reports are sent one by one, by a thread of Sentry's, and its end is near.
REPORTS = """
import sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import sentry_sdk
from django_sqs.worker.supervisor import Child, Supervisor

class Slow(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(0.2)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        print("reported", flush=True)

    def log_message(self, *args):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
threading.Thread(target=server.serve_forever, daemon=True).start()
sentry_sdk.init(
    f"http://key@127.0.0.1:{server.server_port}/1",
    default_integrations=False,
    auto_session_tracking=False,
)

def run():
    for each in "abc":
        sentry_sdk.capture_message(each)
    return 0

raise SystemExit(Supervisor([Child("a", run)], grace_period=5).run())
"""

#: A child that a receiver ends with os._exit(0), and that ends by itself the third time.
VANISHING = """
import os, sys
from django_sqs.worker.supervisor import Child, Supervisor

starts = []

def run():
    print("start", len(starts), flush=True)
    if len(starts) < 3:
        os._exit(0)
    return 0

child = Child("a", run, on_exit=lambda: starts.append(1))
raise SystemExit(Supervisor([child], grace_period=5).run())
"""

#: The system has no process for the first child at once, and signals come all the same.
NO_PROCESS = """
import errno, os, signal
from django_sqs.worker.supervisor import Child, HANDLED, Supervisor

fork, failures, exits = os.fork, [], []

def failing():
    if len(failures) < 2:
        failures.append(signal.pthread_sigmask(signal.SIG_BLOCK, []))
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    return fork()

os.fork = failing
def run(text):
    # At once: print() may write the end of a line after what the other process prints.
    os.write(1, text)
    return 0

child = Child("a", lambda: run(b"runs\\n"), on_exit=lambda: exits.append(1))
other = Child("b", lambda: run(b"runs, too\\n"))
code = Supervisor([child, other], grace_period=5).run()
blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
print(len(exits), sorted(blocked & {*HANDLED}))
raise SystemExit(code)
"""

#: Nobody reads the log when three children are to start, and a stop comes meanwhile.
STUCK_LOG = """
from django_sqs.worker import supervisor

waits = []

def finish(timeout):
    waits.append(timeout)
    supervised.stop()
    return False

supervisor.finish = finish
children = [supervisor.Child(name, lambda: 0) for name in "abc"]
supervised = supervisor.Supervisor(children, grace_period=5)
supervised.run()
print(len(waits))
"""

#: Its processes start, which is logged.
FORKS = """
import logging, os, threading
from django_sqs.worker.supervisor import Child, Supervisor

fork, threads = os.fork, []

def counted():
    threads.append(threading.active_count())
    return fork()

logging.basicConfig(level=logging.INFO)
os.fork = counted
code = Supervisor([Child(name, lambda: 0) for name in "abc"], grace_period=5).run()
print("threads at forks:", *threads)
raise SystemExit(code)
"""


def run(code, *before):
    return subprocess.run(
        [*before, sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.site.settings"},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.slow
def test_as_pid_1_it_leaves_no_zombies():
    in_a_container = ("unshare", "--pid", "--fork", "--mount-proc")
    if shutil.which("unshare") is None or run("", *in_a_container).returncode:
        pytest.skip("unshare of util-linux may make no PID namespace here")

    done = run(ORPHANS, *in_a_container)

    assert (done.returncode, done.stdout) == (0, "zombies: 0 parent: 1\n"), done.stderr


def test_a_childs_last_spans_are_exported_before_it_ends():
    pytest.importorskip("opentelemetry.sdk")

    done = run(SPANS)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"the last span"') == 1


def test_what_a_child_has_reported_last_reaches_sentry_before_it_ends():
    pytest.importorskip("sentry_sdk")

    done = run(REPORTS)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["reported"] * 3


@pytest.mark.slow
def test_a_child_that_vanishes_with_exit_code_0_is_started_again():
    done = run(VANISHING)

    assert done.stdout.split("\n")[:4] == ["start 0", "start 1", "start 2", "start 3"], done.stderr
    assert done.returncode == 0


def test_where_no_process_is_to_be_had_it_tries_again():
    done = run(NO_PROCESS)

    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split("\n")) == ["", "2 []", "runs", "runs, too"]


def test_a_wake_up_call_of_another_thread_is_sent_by_the_one_that_knows_who_lives():
    """Of a child that ended just then there was no process id, and its group was signalled."""
    done = run(WOKEN)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "signals sent by MainThread\n"


def test_a_stop_waits_for_a_log_that_nobody_reads_once_however_many_children_there_are():
    done = run(STUCK_LOG)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "2\n", "once before a start, and once at the end"


def test_the_first_processes_start_before_there_are_other_threads():
    """Python 3.12 warns of a fork beside threads: a child may find what they held locked."""
    done = run(FORKS)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "threads at forks: 1 1 1\n"
