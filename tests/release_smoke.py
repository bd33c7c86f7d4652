"""What an installed package must be able to do, run where nothing else is installed.

``python tests/release_smoke.py`` with the Python of a clean environment, from anywhere;
``--without-django`` where that is not installed.
"""

import importlib
import importlib.metadata
import importlib.resources
import importlib.util
import pkgutil
import subprocess
import sys
import tempfile
from pathlib import Path

#: Modules that need an extra, which a clean environment has not.
NEED_EXTRAS = {
    "django_sqs.pytest_plugin",
    "django_sqs.tasks",
    "django_sqs_kombu.celery",
    "django_sqs_kombu.celery.pool",
    "django_sqs_kombu.otel",
}
SETTINGS = """
INSTALLED_APPS += ["django_sqs"] + [
    "django_sqs." + app for app in ("inbox", "outbox", "results", "monitor")
]
INSTALLED_APPS += ["shop"]
SQS_QUEUE_PREFIX = "release"
SQS_EAGER = True
ALLOWED_HOSTS = ["testserver"]
SQS_ENDPOINT_URL = "http://127.0.0.1:9"
AWS_ACCESS_KEY_ID = AWS_SECRET_ACCESS_KEY = "none"
AWS_REGION = "us-east-1"
"""
RECEIVERS = """
from django_sqs import receiver
@receiver("orders")
def receive_order(message):
    print("received", message.get_body())
"""
#: In one process: each takes the second that Django takes to start.
USE = """
import os
os.environ["AWS_MAX_ATTEMPTS"] = "1"
from django.core.management import call_command
call_command("check")
call_command("makemigrations", check=True, dry_run=True)
call_command("migrate", verbosity=0)
call_command("sqs_policy", role="receiver")
import django_sqs
django_sqs.send("orders", body="the order")
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.test import Client
assert finders.find("django_sqs_monitor/monitor.css")
User.objects.create_superuser("root", password="root")
client = Client()
client.login(username="root", password="root")
page = client.get("/admin/django_sqs_monitor/queuereport/")
assert page.status_code == 200, page.status_code
assert b"orders" in page.content
print("the page works")
"""


def run(folder, *command):
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, timeout=120
    )
    if done.returncode:
        sys.exit(f"{command} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def check_without_django():
    """That all of the Django-free half is there, and the other says what it needs."""
    assert importlib.util.find_spec("django") is None
    said = subprocess.run(
        [sys.executable, "-c", "from django_sqs import receiver"], capture_output=True, text=True
    ).stderr
    assert "pip install 'django-sqs[django]'" in said, said


def check_modules():
    import django_sqs
    import django_sqs_kombu

    for package in (django_sqs, django_sqs_kombu):
        folder = Path(package.__file__).parent
        assert "site-packages" in folder.parts, folder
        assert (folder / "py.typed").exists(), folder
        importlib.import_module(package.__name__)
    german = Path(django_sqs.__file__).parent / "locale/de/LC_MESSAGES"
    assert {file.name for file in german.iterdir()} == {"django.mo", "django.po"}
    for module in pkgutil.walk_packages(django_sqs_kombu.__path__, "django_sqs_kombu."):
        if not any(module.name.startswith(name) for name in NEED_EXTRAS):
            importlib.import_module(module.name)
    [plugin] = [
        point
        for point in importlib.metadata.entry_points(group="pytest11")
        if point.name == "django_sqs"
    ]
    assert plugin.value == "django_sqs.pytest_plugin"


def check_site(folder):
    run(folder, "-m", "django", "startproject", "site_", ".")
    run(folder, "manage.py", "startapp", "shop")
    with (folder / "site_" / "settings.py").open("a") as file:
        file.write(SETTINGS)
    (folder / "shop" / "receivers.py").write_text(RECEIVERS)
    said = run(folder, "manage.py", "shell", "-c", USE)
    assert "received the order" in said, said
    assert "the page works" in said, said
    assert "sqs:ReceiveMessage" in said, said
    assert "--keep" in run(folder, "-m", "django_sqs.demo", "--help")


if __name__ == "__main__":
    check_modules()
    if sys.argv[1:] == ["--without-django"]:
        check_without_django()
    else:
        with tempfile.TemporaryDirectory() as name:
            check_site(Path(name))
    print(f"Python {sys.version.split()[0]}: works")
