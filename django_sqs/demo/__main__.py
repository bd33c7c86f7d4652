"""The demo: a local SQS server, a worker, messages of several kinds, and their status.

Run it with ``python -m django_sqs.demo``; with ``--keep`` all of it is left running to play with.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

#: As manage.py of a project.
MANAGE = [sys.executable, "-m", "django"]
PATIENCE = 40.0


def start_server() -> str:
    """A server in this process, as sqs_local runs one; returns its URL."""
    from ..development.local_server import LocalServer

    server = LocalServer("127.0.0.1", 0)
    server.start()
    return server.url


def step(text: str) -> None:
    """Say what comes next."""
    print(f"\n== {text}", flush=True)


def send_messages() -> None:
    """One message of each kind."""
    from .shop import receivers
    from .shop.models import Order

    receivers.receive_greeting(body="Hello, żółw!")
    receivers.receive_price(body={"item": "tea", "price": 3})
    receivers.receive_note(body="<note>plain</note>")
    receivers.pack_order(instance=Order.objects.create(title="two pounds of tea"))
    receivers.receive_payment(body="42 EUR")
    receivers.fail(body="bad luck")


def wait_until_empty() -> None:
    """Wait until all messages are done."""
    subprocess.run(
        [*MANAGE, "sqs_wait", "-t", "0.5", "-c", "1", "--timeout", str(PATIENCE)], check=True
    )


def run(*, keep: bool) -> int:
    """Show all of it; return the worker's exit code."""
    step("Starting a local SQS server")
    os.environ["DEMO_SQS_ENDPOINT_URL"] = start_server()
    print(os.environ["DEMO_SQS_ENDPOINT_URL"])

    import django

    django.setup()
    subprocess.run([*MANAGE, "migrate", "--run-syncdb", "-v", "0"], check=True)

    step("Starting the receivers: manage.py runreceiver (a process for each queue)")
    worker = None
    try:
        with signals_after():
            # In a session of its own, so that Ctrl-C reaches it once, from here.
            worker = subprocess.Popen([*MANAGE, "runreceiver"], start_new_session=True)
        step("Sending messages")
        send_messages()
        wait_until_empty()
        time.sleep(0.2)
        step("All messages are done: manage.py sqs_status")
        subprocess.run([*MANAGE, "sqs_status"], check=True)
        if keep:
            play(worker)
    finally:
        if worker is not None:
            worker.terminate()
            code = worker.wait(30)
    print("\nThe receivers have stopped.")
    return code


def play(worker: subprocess.Popen[bytes]) -> None:
    """Say what may be tried, until Ctrl-C."""
    from django.contrib.auth.models import User

    User.objects.create_superuser("demo", password="demo")
    names = ("DJANGO_SETTINGS_MODULE", "DEMO_SQS_ENDPOINT_URL", "DEMO_DATABASE")
    export = "set" if os.name == "nt" else "export"
    step("Everything is left running; end it with Ctrl-C. In another terminal, for instance:")
    for name in names:
        print(f"  {export} {name}={os.environ[name]}")
    manage = " ".join(MANAGE)
    print(
        f"  {manage} shell -c \"import django_sqs; django_sqs.send('greetings', body='Hi')\"\n"
        f"  {manage} sqs_status\n"
        f"  {manage} runserver    # then http://127.0.0.1:8000/admin/ as demo, password demo",
        flush=True,
    )
    with contextlib.suppress(KeyboardInterrupt):
        worker.wait()


@contextlib.contextmanager
def signals_after() -> Iterator[None]:
    """Have what ends it come after the block: amid its start nobody knows the worker yet."""
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda signum, frame: came.append(signum))
        for number in (signal.SIGINT, *ending())
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for one in came:
            signal.raise_signal(one)


def ending() -> list[signal.Signals]:
    """The signals besides Ctrl-C that end it; Windows has one of them."""
    return [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def end(signum: int, frame: FrameType | None) -> None:
    """End as by Ctrl-C, and the worker with it: who closes the terminal wants neither."""
    sys.exit(128 + signum)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m django_sqs.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything running")
    keep = parser.parse_args().keep
    if find_spec("django") is None or find_spec("moto") is None:
        print("The demo needs: pip install 'django-sqs[local]>=2'", file=sys.stderr)
        return 2
    for number in ending():
        signal.signal(number, end)
    os.environ["DJANGO_SETTINGS_MODULE"] = "django_sqs.demo.settings"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DEMO_DATABASE"] = str(Path(folder) / "demo.sqlite3")
        return run(keep=keep)


if __name__ == "__main__":
    sys.exit(main())
