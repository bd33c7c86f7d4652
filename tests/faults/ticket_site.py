"""Senders, workers and a relay that are killed at random, with keys and tickets; run as a script.

    python tests/faults/ticket_site.py KILLS LINES LOG

Each process adds a line to LOG of what it did: when, what, the body and the ticket.  One is killed
about every LINES lines.  In the end all that was sent is received, and the keys that are left are
printed as JSON.

Of the bodies the first letter says what is sent: ``s`` and ``f`` are keys until they are started or
finished, ``p`` are keys for an hour, all of them by the outbox; ``d`` are as ``f``, sent directly;
``x`` are as ``f``, and anybody cancels them; ``c`` have no key, and some are cancelled.
"""

import json
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.site.settings")

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import Error, connections, transaction  # noqa: E402
from django.db.models import F  # noqa: E402

import django_sqs  # noqa: E402
from django_sqs.outbox.models import OutboxMessage  # noqa: E402
from django_sqs.outbox.relay import Relay  # noqa: E402
from django_sqs.tickets.models import UniqueKey, UsedTicket  # noqa: E402
from django_sqs_kombu import ReceiverConsumer, SQSError  # noqa: E402
from django_sqs_kombu.registration import Unique  # noqa: E402
from django_sqs_kombu.transport import Trail  # noqa: E402
from tests.site.shop.models import Run  # noqa: E402

KEYS = [f"{kind}{number}" for kind in "sfpdx" for number in range(3)]
UNTIL = {"s": "started", "f": "finished", "d": "finished", "x": "finished", "p": None}
#: Bytes of a line, about.
LINE = 65
#: Seconds that the rest may take to be received.
PATIENCE = 60


class Log:
    """A file that any process adds lines to, each in one write."""

    def __init__(self, path):
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def add(self, what, *facts):
        os.write(self._file, f"{time.monotonic_ns()} {what} {' '.join(map(str, facts))}\n".encode())


def counter(key):
    """What senders change, and receivers are to read."""
    return Run.objects.filter(queue="counter", body=key)


def receive(log, message):
    body, ticket = message.get_body(), Trail.of(message.message_attributes).id
    log.add("begins", body, ticket)
    if body[0] == "s":
        log.add("read", body, counter(body).get().receive_count)
    time.sleep(random.uniform(0, 0.02))
    log.add("ends", body, ticket)


def send(log):
    """Send for ever."""
    number = 0
    while True:
        number += 1
        # A database or a server that is busy is left alone for a moment.
        with suppress(Error, SQSError):
            if random.random() < 0.3:
                send_and_cancel(log, f"c{os.getpid()}-{number}")
            else:
                send_keyed(log, random.choice(KEYS))
        time.sleep(random.uniform(0, 0.01))


def send_keyed(log, key):
    options = {"body": key, "unique": key, "unique_for": 3_600, "unique_until": UNTIL[key[0]]}
    if key[0] == "d":
        ticket = django_sqs.send("keyed", **options)
    else:
        with transaction.atomic():
            ticket = django_sqs.send("keyed", outbox=True, **options)
            counter(key).update(receive_count=F("receive_count") + 1)
    log.add("sent" if ticket.sent else "waits", key, ticket.id)
    if key[0] == "x" and random.random() < 0.3:
        cancel(log, key, ticket)


def send_and_cancel(log, body):
    ticket = django_sqs.send("keyed", body=body, ticket=True, outbox=random.random() < 0.5)
    log.add("sent", body, ticket.id)
    time.sleep(random.uniform(0, 0.05))
    if random.random() < 0.7:
        cancel(log, body, ticket)


def cancel(log, body, ticket):
    log.add("cancels", body, ticket.id)
    if ticket.cancel():
        log.add("cancelled", body, ticket.id)


def work(log):
    ReceiverConsumer(django_sqs.receivers, [django_sqs.queues["keyed"]], threads=2).run()


def relay(log):
    Relay(0.05).run()


class Processes:
    """The processes, each of a role, and who is killed."""

    def __init__(self, log):
        self._log = log
        self.running = {}

    def start(self, role):
        pid = os.fork()
        if pid == 0:
            try:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                random.seed()
                role(self._log)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(1)
        self.running[pid] = role

    def end(self):
        for pid in self.running:
            os.kill(pid, signal.SIGKILL)
        os._exit(1)

    def kill(self, pid):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        role = self.running.pop(pid)
        if role is relay:
            # Another relay has its rows when its claim is over; here at once.
            while True:
                with suppress(Error):
                    OutboxMessage.objects.update(claimed_until=None)
                    break
            connections.close_all()
        return role


def main(kills, lines, path):
    if "TEST_POSTGRES" in os.environ:
        call_command("migrate", verbosity=0, run_syncdb=True)
    Run.objects.bulk_create(
        Run(queue="counter", body=key, pid=0, thread="", receive_count=0) for key in KEYS
    )
    connections.close_all()
    log = Log(path)
    django_sqs.register("keyed", lambda message: receive(log, message), visibility_timeout=2)
    processes = Processes(log)
    # A test that waits no longer leaves none of them behind.
    signal.signal(signal.SIGTERM, lambda *_: processes.end())
    for role in (send, send, send, work, work, relay):
        processes.start(role)
    for _ in range(kills):
        wait_for(path, random.uniform(0.5, 1.5) * lines)
        time.sleep(random.uniform(0, 0.02))
        processes.start(processes.kill(random.choice(list(processes.running))))
    for pid in [pid for pid, role in processes.running.items() if role is send]:
        processes.kill(pid)
    # What a sender did as it was killed is committed, or not, by now.
    counters = dict(
        Run.objects.filter(queue="counter", body__startswith="s").values_list(
            "body", "receive_count"
        )
    )
    deadline = time.monotonic() + PATIENCE
    while not is_done(path) and time.monotonic() < deadline:
        time.sleep(0.1)
    facts = {
        "keys": held(),
        "cancelled": sorted(cancelled()),
        "outbox": OutboxMessage.objects.count(),
        "counters": counters,
    }
    for pid in list(processes.running):
        processes.kill(pid)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    print("JSON", json.dumps(facts))


def wait_for(path, lines):
    """Wait until so many lines were added; a database may be busy for a while."""
    wanted, deadline = os.path.getsize(path) + lines * LINE, time.monotonic() + 5
    while os.path.getsize(path) < wanted and time.monotonic() < deadline:
        time.sleep(0.005)


def is_done(path):
    """Whether all that is known to be sent has ended, or was cancelled, and its keys are free.

    A sender that was killed before it sent directly has left a key.
    """
    lines = [line.split() for line in Path(path).read_text().splitlines()]
    sent = {ticket: body for _, what, body, ticket in lines if what == "sent"}
    over = {ticket for _, what, _, ticket in lines if what == "ends"} | cancelled()
    if not over.issuperset(sent) or OutboxMessage.objects.exists():
        return False
    known = {ticket for _, what, _, ticket in lines if what in ("sent", "begins")}
    return not any(
        body[0] in "sfx" or (body[0] == "d" and ticket in known) for ticket, body in held().items()
    )


def cancelled():
    """The tickets that are cancelled; who did it may have been killed before it said so."""
    return set(UsedTicket.objects.filter(cancelled=True).values_list("ticket_id", flat=True))


def held():
    """The keys that are not free, by the tickets of their messages."""
    name = django_sqs.queues["keyed"].full_name()
    keys = {Unique(key, 0).digest(name): key for key in KEYS}
    return {row.ticket_id: keys[row.digest] for row in UniqueKey.objects.all()}


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
