"""As on Windows: what is missing there is taken away, then the arguments are run as a program.

``python -m tests.without_posix kombu`` sends and receives without Django; with other arguments it
is manage.py, for each of the commands between which "," stands.
"""

# What is not ours knows by the system's name what there is, and is imported before.
import asyncio  # noqa: F401
import multiprocessing  # noqa: F401
import os
import signal
import socket
import subprocess  # noqa: F401
import sys
import tempfile  # noqa: F401

import boto3
from django.core.management import execute_from_command_line

boto3.session.Session()
MODULES = ("fcntl", "resource", "pwd", "grp", "termios")
SIGNALS = ("SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGQUIT", "SIGUSR1", "SIGUSR2")
OTHERS = {
    os: (
        *("fork", "register_at_fork", "getuid", "geteuid", "memfd_create", "pipe2", "sysconf"),
        *("posix_fallocate", "WNOHANG", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "killpg"),
    ),
    signal: (
        *SIGNALS,
        *("setitimer", "ITIMER_REAL", "pthread_sigmask", "pthread_kill", "SIG_UNBLOCK"),
    ),
    socket: ("AF_UNIX",),
}


def socketpair(*args):
    """As Python makes one on Windows."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        writer = socket.create_connection(listening.getsockname())
        reader, _ = listening.accept()
    return reader, writer


def take_away():
    """Leave this process without all that Windows has not."""
    socket.socketpair = socketpair
    sys.modules.update(dict.fromkeys(MODULES))
    for module, names in OTHERS.items():
        for name in names:
            delattr(module, name)


def use_kombu():
    """Send and receive, with a time limit in the main thread."""
    import logging
    import time

    from django_sqs_kombu import ReceiverConsumer, Receivers, TimedOut

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    address = os.environ["TEST_SQS_ENDPOINT_URL"].removeprefix("http://")
    receivers = Receivers(
        f"sqs-batch://testing:testing@{address}",
        prefix=os.environ["TEST_SQS_PREFIX"],
        poll_period=1,
    )

    @receivers.receiver("windows", timeout=0.3)
    def receive(message):
        started = time.monotonic()
        try:
            while message.get_body() == "slow" and time.monotonic() < started + 20:
                time.sleep(0.01)
        except TimedOut:
            print("it was timed out", flush=True)
        print("received", message.get_body(), flush=True)

    receive(body="one")
    receivers.send_many("windows", ["two", "slow"])
    ReceiverConsumer(receivers, message_limit=3).run()


def run_commands(arguments):
    """Run one command after the other; say how each ended, where there are several."""
    commands = " ".join(arguments).split(" , ")
    for command in commands:
        try:
            execute_from_command_line(["manage.py", *command.split()])
        except SystemExit as exc:
            if len(commands) == 1:
                raise
            print(command, "exits with", exc.code, flush=True)


if __name__ == "__main__":
    take_away()
    if sys.argv[1:] == ["kombu"]:
        use_kombu()
    else:
        run_commands(sys.argv[1:])
