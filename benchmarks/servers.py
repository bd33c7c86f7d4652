"""The processes that a benchmark needs: a local SQS server, and the proxy before it."""

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

HERE = Path(__file__).resolve().parent
#: ministack pins its own botocore, so it has a virtual environment of its own.
MINISTACK = HERE / ".ministack"
#: The peers, and this library beside them.
PEERS = HERE / ".peers"
MOTO = "import sys; from moto.server import main; main(['-H', '127.0.0.1', '-p', sys.argv[1]])"


def end_in_order():
    """Have SIGTERM, and a terminal that is closed, end this program as an error would.

    What it has started is ended then; by itself it would run on.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)


def _end(number, frame):
    for each in (signal.SIGTERM, signal.SIGHUP):
        # Another one must not break off what ends the others.
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def environment(folder, *packages, python=sys.executable):
    """The Python of a virtual environment with *packages*, made when first needed.

    :param python: the Python that it is made of.
    """
    of = python
    python = folder / "bin" / "python"
    stamp = folder / ".installed"
    folder.mkdir(parents=True, exist_ok=True)
    # Tests that run at the same time need it at the same time.
    with (folder / ".lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        if not stamp.exists():
            subprocess.run([of, "-m", "venv", folder], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
            stamp.touch()
    return python


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def process(command, port, **env):
    """Run *command* until the block ends; it is ready when it listens on *port*."""
    running = subprocess.Popen(
        [str(part) for part in command],
        env={**os.environ, **env},
        cwd=HERE.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if running.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command} does not listen on port {port}")
            time.sleep(0.05)
        yield
    finally:
        running.terminate()
        running.wait(10)


class Stub:
    """The stub that always has messages (:mod:`benchmarks.stub`).

    :ivar url: its URL, to be asked and set at, too.
    """

    def __init__(self, port):
        self.url = self.direct = f"http://127.0.0.1:{port}"

    def reset(self, latency=0.0):
        """Set the counts to zero, and the latency in seconds."""
        return ask(f"{self.url}/-/reset?latency={latency}")

    def set_latency(self, seconds):
        """Set the latency alone."""
        return ask(f"{self.url}/-/latency?seconds={seconds}")

    def stats(self):
        """What was counted since the reset."""
        return ask(f"{self.url}/-/stats")

    def create(self, prefix, count, suffix=""):
        """Make *count* queues; return their names."""
        query = urlencode({"prefix": prefix, "count": count, "suffix": suffix})
        return ask(f"{self.url}/-/create?{query}")

    def queue(self, name, **changes):
        """What a queue has, after *changes*: ``left``, ``groups``, ``burst``."""
        return ask(f"{self.url}/-/queue?{urlencode({'name': name, **changes})}")


@contextlib.contextmanager
def stub(latency=0.0, *, pinned=False):
    """A stub, in a process of its own until the block ends.

    :param pinned: whether it has a core of its own, beside that of its clients.
    """
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.stub", "--port", port, "--latency", latency]
    command += ["--pinned"] * pinned
    with process(command, port):
        yield Stub(port)


def ask(url):
    """The JSON that *url* answers."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


class Stack:
    """A server behind a counting proxy.

    :ivar direct: the server's URL, for what is not to be counted.
    :ivar url: the proxy's URL.
    """

    def __init__(self, server_port, proxy_port):
        self.direct = f"http://127.0.0.1:{server_port}"
        self.url = f"http://127.0.0.1:{proxy_port}"

    def reset(self, latency=0.0):
        """Set the counts to zero, and the latency in seconds."""
        return ask(f"{self.url}/-/reset?latency={latency}")

    def stats(self):
        """What was counted since the reset."""
        return ask(f"{self.url}/-/stats")


@contextlib.contextmanager
def stack(kind):
    """A stack with ``"ministack"`` (fast) or ``"moto"`` (needs no installation)."""
    server, proxy = free_port(), free_port()
    if kind == "ministack":
        python = environment(MINISTACK, "ministack")
        command = [python.with_name("ministack")]
    else:
        command = [sys.executable, "-c", MOTO, server]
    env = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(server), "SERVICES": "sqs,s3,sns"}
    with (
        process(command, server, **env),
        process([sys.executable, "-m", "benchmarks.proxy", proxy, server], proxy),
    ):
        yield Stack(server, proxy)
