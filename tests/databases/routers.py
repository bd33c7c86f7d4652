"""Routers: each app in a database of its own, and reads from a replica that never catches up."""

import os
import sys

import django

#: The databases of ``ROUTER=apps``; other apps are in "default".  What a receiver does and
#: the note that it was done are one transaction, so the inbox is where the receivers' rows are.
APPS = {
    "shop": "shop",
    "django_sqs_inbox": "shop",
    "django_sqs_tickets": "outbox",
    "django_sqs_outbox": "outbox",
    "django_sqs_schedules": "outbox",
    "django_sqs_results": "results",
    "django_sqs_monitor": "monitor",
    "django_sqs_failures": "monitor",
}
REPLICA = "replica"

DJANGO = os.path.dirname(django.__file__)
TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class ByApp:
    """Puts each app into a database of its own."""

    def db_for_read(self, model, **hints):
        return APPS.get(model._meta.app_label, "default")

    db_for_write = db_for_read

    def allow_relation(self, first, second, **hints):
        return True

    def allow_migrate(self, db, app_label, **hints):
        return db == APPS.get(app_label, "default")


class StaleReplica:
    """Sends reads to a replica that is empty for ever; what tests read themselves is there.

    Django's own models are read where they are written: nobody could log in.
    """

    def db_for_read(self, model, **hints):
        ours = model._meta.app_label in APPS
        return REPLICA if ours and not _asked_by_a_test() else "default"

    def db_for_write(self, model, **hints):
        return "default"

    def allow_relation(self, first, second, **hints):
        return True


def _asked_by_a_test():
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if file != __file__ and not file.startswith(DJANGO):
            # "<string>": what a test runs by "manage.py shell -c".
            return file.startswith((TESTS, "<"))
        frame = frame.f_back
    return False
