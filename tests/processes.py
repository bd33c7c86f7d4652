"""The test project run as real processes."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MANAGE = ROOT / "tests" / "site" / "manage.py"

SCHEMA = """
CREATE TABLE shop_order (id integer PRIMARY KEY AUTOINCREMENT, title varchar(100) NOT NULL);
CREATE TABLE shop_run (
    id integer PRIMARY KEY AUTOINCREMENT, queue varchar(100) NOT NULL, body text NOT NULL,
    message_id varchar(100) NOT NULL, pid integer NOT NULL, thread varchar(100) NOT NULL,
    receive_count integer NOT NULL, started_at datetime NOT NULL, finished bool NOT NULL
);
"""


class Process:
    """A running command whose output is kept."""

    def __init__(self, command, env):
        self.popen = subprocess.Popen(
            command,
            env=env,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.pid = self.popen.pid
        self._lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self):
        return "".join(self._lines)

    def signal(self, number):
        self.popen.send_signal(number)

    def wait(self, timeout=30):
        code = self.popen.wait(timeout)
        self._reader.join(5)
        return code

    def end(self):
        if self.popen.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.wait(15)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.wait()

    def _read(self):
        for line in self.popen.stdout:
            self._lines.append(line)


class Project:
    """tests.site with a database, a server and a prefix."""

    def __init__(self, endpoint_url, prefix, folder):
        self.prefix = prefix
        self.database = folder / "test.sqlite3"
        self._processes = []
        self.env = {
            **os.environ,
            "TEST_SQS_ENDPOINT_URL": endpoint_url,
            "TEST_SQS_PREFIX": prefix,
            "TEST_DATABASE": str(self.database),
            "PYTHONUNBUFFERED": "1",
        }
        with sqlite3.connect(self.database) as connection:
            connection.executescript(SCHEMA)

    def start(self, *arguments, **env):
        """Start a management command; it is ended with the test."""
        process = Process([sys.executable, str(MANAGE), *arguments], {**self.env, **env})
        self.add(process)
        return process

    def add(self, process):
        """End *process* with the test."""
        self._processes.append(process)

    def run(self, *arguments, timeout=60, **env):
        """Run a management command to its end."""
        process = self.start(*arguments, **env)
        process.wait(timeout)
        return process

    def runs(self, queue):
        """What receivers recorded: dicts, oldest first."""
        with sqlite3.connect(self.database, timeout=20) as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute(
                "SELECT * FROM shop_run WHERE queue = ? ORDER BY id", [queue]
            ).fetchall()
        return [dict(row) for row in rows]

    def bodies(self, queue):
        return [run["body"] for run in self.runs(queue)]

    def end_processes(self):
        for process in self._processes:
            process.end()
