"""A database whose connections fail by something that is no error of a database's.

As where a backend asks AWS for the password, and AWS does not answer.
"""

import pytest

SCRIPT = """
import threading, time
from django.core.management import call_command
from django.db import connections, transaction
for alias in connections:
    call_command("migrate", database=alias, verbosity=0, run_syncdb=True)
import asking.base
import django_sqs
from django_sqs.outbox.backlog import gauges
from django_sqs.outbox.models import OutboxMessage
from django_sqs.outbox.relay import Relay

def write(body):
    for alias in ("other", "third"):
        with transaction.atomic(using=alias):
            django_sqs.send("plain", body=body, outbox=True, using=alias)

relay = Relay(0.1)
if KNOWN:
    with transaction.atomic(using="default"):
        django_sqs.send("plain", body="before", outbox=True, using="default")
    assert relay.send_all() == 1
connections["default"].close()
asking.base.refuses = True
write("one")
runs = threading.Thread(target=relay.run)
runs.start()

def wait():
    until = time.monotonic() + 20
    while any(OutboxMessage.objects.using(alias).exists() for alias in ("other", "third")):
        assert time.monotonic() < until, "rows are left"
        time.sleep(0.05)

try:
    wait()
    write("two")
    wait()
    list(gauges())
    asking.base.refuses = False
    if KNOWN:
        with transaction.atomic(using="default"):
            django_sqs.send("plain", body="healed", outbox=True, using="default")
        until = time.monotonic() + 20
        while OutboxMessage.objects.using("default").exists():
            assert time.monotonic() < until, "it was not healed"
            time.sleep(0.05)
finally:
    relay.stop()
    runs.join()
print("AS IT SHOULD BE")
"""

BACKEND = """
from django.db.backends.sqlite3 import base

refuses = False

class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, params):
        if refuses:
            raise RuntimeError("AWS did not tell the password")
        return super().get_new_connection(params)
"""


@pytest.mark.parametrize("known", [True, False])
def test_it_does_not_hold_up_the_others(project, tmp_path, counts, prefix, known):
    (tmp_path / "several_databases.py").write_text(SETTINGS)
    (tmp_path / "asking").mkdir()
    (tmp_path / "asking" / "base.py").write_text(BACKEND)
    project.env["PYTHONPATH"] = f"{tmp_path}:{project.env.get('PYTHONPATH', '')}"

    more = {"DJANGO_SETTINGS_MODULE": "several_databases", "DB": "", "FOLDER": str(tmp_path)}
    done = project.run("shell", "-c", SCRIPT.replace("KNOWN", str(known)), **more)

    assert "AS IT SHOULD BE" in done.output, done.output
    assert counts(f"{prefix}__plain") == (6 if known else 4, 0, 0)


SETTINGS = """
import os
from tests.site.settings import *
DATABASES = {
    alias: {**DATABASES["default"], "NAME": os.path.join(os.environ["FOLDER"], alias)}
    for alias in ("default", "other", "third")
}
DATABASES["default"]["ENGINE"] = "asking"
DATABASE_ROUTERS = ["tests.django_sqs.outbox.test_odd_databases.Elsewhere"]
"""


class Elsewhere:
    """Puts the outbox into "other", where nothing else says."""

    def db_for_write(self, model, **hints):
        return "other" if model._meta.app_label == "django_sqs_outbox" else None

    db_for_read = db_for_write
