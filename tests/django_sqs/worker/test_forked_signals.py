"""A process that a receiver forks is ended by SIGTERM, and not by what is said to the worker."""

import os
import signal

import pytest
from django.core.management import call_command

import django_sqs

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork"),
]


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 0)],
    ids=["ended", "the terminal's"],
)
def test_signals_of_a_process_that_a_receiver_forked(number, code):
    codes = []

    def receive(message):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(write)
            os.read(read, 1)
            os._exit(0)
        # At once: the child may still have the worker's handlers.
        os.kill(child, number)
        os.close(write)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    django_sqs.register("forking", receive).send(body="x")

    call_command("runreceiver", "forking", message_limit=1)

    assert codes == [code]
    assert signal.getsignal(number) is not signal.SIG_IGN
