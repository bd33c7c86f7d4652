"""A Celery worker of tests.celery_app as a process, on kombu's transport or ours."""

import json
import os
import subprocess
import sys

from ...processes import ROOT, Process


class Worker:
    def __init__(self, server, queue, folder, transport, pool="prefork", concurrency=2, **options):
        self.queue = queue
        self.log = folder / "log"
        self.env = {
            **os.environ,
            "TEST_BROKER_URL": f"sqs://testing:testing-secret@{server.url.removeprefix('http://')}",
            "TEST_CELERY_QUEUE": queue,
            "TEST_CELERY_LOG": str(self.log),
            "TEST_TRANSPORT": transport,
            "TEST_TRANSPORT_OPTIONS": json.dumps(options),
        }
        # A worker without Django.
        self.env.pop("DJANGO_SETTINGS_MODULE", None)
        self.command = [
            *(sys.executable, "-m", "celery", "-A", "tests.celery_app.app", "worker"),
            *("-P", pool, "-c", str(concurrency), "-l", "INFO"),
        ]
        self.process = None

    def start(self, eventually, **env):
        self.env.update(env)
        self.process = Process(self.command, self.env)
        eventually(lambda: " ready." in self.process.output, timeout=40)

    def send(self, code):
        done = subprocess.run(
            [sys.executable, "-c", f"from tests.celery_app.app import *; {code}"],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr

    def lines(self):
        if not self.log.exists():
            return []
        return [line.split(" ", 1)[1] for line in self.log.read_text().splitlines()]

    def times(self, text):
        lines = self.log.read_text().splitlines()
        return [float(line.split(" ")[0]) for line in lines if line.split(" ", 1)[1] == text]
