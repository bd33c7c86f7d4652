"""A middleware that prints what it is told."""

import os

from django_sqs_kombu import Middleware


class Telling(Middleware):
    """What the settings name where TEST_MIDDLEWARE is set."""

    def stopping(self):
        os.write(1, f"{os.getpid()} is stopping\n".encode())

    def process_ended(self, process):
        os.write(1, f"process {process} has ended\n".encode())
