"""Kills a process between every two lines of the outbox and the inbox; run as a script.

    python tests/faults/crash_site.py relay|write|inbox

For each line a child is forked that kills itself before it; what must hold is checked at the
end, and printed as JSON.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.site.settings")

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connections, transaction  # noqa: E402

import django_sqs  # noqa: E402
from django_sqs.inbox.once import run_once  # noqa: E402
from django_sqs.message import RawMessage  # noqa: E402
from django_sqs.outbox.models import OutboxMessage  # noqa: E402
from django_sqs.outbox.relay import Relay  # noqa: E402
from tests.site.shop.models import Order, Run  # noqa: E402

#: Far more lines than any of the actions has.
ENOUGH = 400
#: The relay has so many lines, and each child makes a client of SQS for itself, that the short
#: form kills it before some only: on PostgreSQL before those between the ones of SQLite.
RELAY_STEP = 1 if os.environ.get("FAULTS") == "long" else 16
RELAY_FIRST = 1 + ("TEST_POSTGRES" in os.environ) * RELAY_STEP // 2


def forked(action, *, kill_at=None, files=()):
    """Run *action* in a child; return whether it came to its end."""
    connections.close_all()
    pid = os.fork()
    if pid == 0:
        try:
            if kill_at is not None:
                kill = killer(kill_at, files)
                threading.settrace(kill)
                sys.settrace(kill)
            action()
            sys.settrace(None)
            os._exit(0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in (0, -signal.SIGKILL), status
    return status == 0


def killer(kill_at, files):
    seen = 0

    def trace(frame, event, arg):
        nonlocal seen
        if not frame.f_code.co_filename.endswith(files):
            return None
        if event == "line":
            seen += 1
            if seen == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


def kill_everywhere(action, files, between=lambda number: None, first=1, step=1):
    """Kill *action* before each of its lines; return how many there were."""
    for number in range(first, ENOUGH, step):
        between(number)
        if forked(lambda n=number: action(n), kill_at=number, files=files):
            return number
    raise AssertionError("it never came to its end")


def relay():
    """Everything that was committed is sent, with its id, however the relay dies."""
    written = []

    def write(number):
        # What the last kill left is sent by the next relay, as in life, when the claim is over.
        OutboxMessage.objects.update(claimed_until=None)
        connections.close_all()
        forked(lambda: Relay().send_all())
        for _ in range(2):
            with transaction.atomic():
                django_sqs.send("plain", body=f"{number}", outbox=True)
        written.extend(str(uid) for uid in OutboxMessage.objects.values_list("uid", flat=True))

    files = tuple(f"outbox/{name}.py" for name in ("relay", "claims", "sending"))
    lines = kill_everywhere(
        lambda number: Relay().send_all(),
        files,
        between=write,
        first=RELAY_FIRST,
        step=RELAY_STEP,
    )
    OutboxMessage.objects.update(claimed_until=None)
    forked(lambda: Relay().send_all())
    return {
        "lines": lines,
        "written": sorted(set(written)),
        "left": OutboxMessage.objects.count(),
    }


def write():
    """A row of the business and its message are both there, or neither."""

    def order(number):
        with transaction.atomic():
            Order.objects.create(title=str(number))
            django_sqs.send("plain", body=str(number), outbox=True)

    files = ("outbox/writing.py", "django_sqs/registered_queue.py", "faults/crash_site.py")
    lines = kill_everywhere(order, files)
    return {
        "lines": lines,
        "orders": sorted(Order.objects.values_list("title", flat=True)),
        "messages": sorted(OutboxMessage.objects.values_list("body", flat=True)),
    }


def inbox():
    """A message has its effect once, however often it is delivered and whoever dies."""

    def receive(number):
        message = RawMessage(body=str(number))
        message.id = f"message-{number}"

        def effect(message):
            Run.objects.create(
                queue="once", body=message.get_body(), message_id=message.id, pid=0, thread=""
            )

        run_once("a-queue", message, effect)

    lines = kill_everywhere(receive, ("inbox/once.py", "faults/crash_site.py"))
    for number in range(1, lines + 1):
        forked(lambda n=number: receive(n))
        forked(lambda n=number: receive(n))
    return {"lines": lines, "effects": sorted(int(run.body) for run in Run.objects.all())}


if __name__ == "__main__":
    call_command("migrate", verbosity=0, run_syncdb=True)
    print("JSON", json.dumps({"relay": relay, "write": write, "inbox": inbox}[sys.argv[1]]()))
