"""The test project run as real processes."""

import os
import re
import sqlite3
import sys
from contextlib import closing

from .databases import direct, routers, settings, templates
from .processes import ROOT, Process
from .warm import Warm

MANAGE = ROOT / "tests" / "site" / "manage.py"

#: What tests do by these is no test of how a command starts.
TOOLS = ("shell", "migrate")
_warm = Warm()

#: Made at once, for the many tests that need no more.
SCHEMA = """
CREATE TABLE shop_order (id integer PRIMARY KEY AUTOINCREMENT, title varchar(100) NOT NULL);
CREATE TABLE shop_run (
    id integer PRIMARY KEY AUTOINCREMENT, queue varchar(100) NOT NULL, body text NOT NULL,
    message_id varchar(100) NOT NULL, pid integer NOT NULL, thread varchar(100) NOT NULL,
    receive_count integer NOT NULL, started_at datetime NOT NULL, finished bool NOT NULL
);
"""


class Project:
    """tests.site with a database, a server and a prefix.

    The database is of the kind that the environment names, a file of SQLite by default.
    """

    def __init__(self, endpoint_url, prefix, folder):
        self.prefix = prefix
        self.database = folder / "test.sqlite3"
        self._processes = []
        self._is_bare = False
        self.env = {
            **os.environ,
            "TEST_SQS_ENDPOINT_URL": endpoint_url,
            "TEST_SQS_PREFIX": prefix,
            "TEST_DATABASE": str(self.database),
            "TEST_FOLDER": str(folder),
            "PYTHONUNBUFFERED": "1",
        }
        if "DB_ADDRESS" in os.environ:
            self.use(os.environ["DB"], os.environ["DB_ADDRESS"])
        elif settings.aliases(self.env) != ["default"]:
            self.migrate()
        else:
            self._is_bare = True
            # Python closes it only at some garbage collection, and warns of it then.
            with closing(sqlite3.connect(self.database)) as connection:
                connection.executescript(SCHEMA)

    def use(self, kind, address=None):
        """Have databases of one's own of that kind, with all tables.

        :param address: of the server; SQLite has none.
        """
        self._is_bare = False
        self.env["DB"] = kind
        if address is not None:
            name = "t_" + re.sub(r"\W", "_", self.prefix)
            self.env |= {"TEST_DATABASE": name, "DB_ADDRESS": address}
        else:
            self.database.unlink(missing_ok=True)
        for alias in settings.aliases(self.env):
            self._make(alias)

    def add_tables(self):
        """Have the tables of all apps, where there are only those that most tests need."""
        if self._is_bare:
            self.database.unlink()
            self.migrate()

    def migrate(self):
        """Make the tables that are missing."""
        self._is_bare = False
        for alias in settings.aliases(self.env):
            if templates.is_missing(self.env, alias):
                self._make(alias)
            else:
                self._migrate(alias)

    def _make(self, alias):
        """Make a database with all tables."""
        if not templates.create(self.env, alias):
            self._migrate(alias)
            templates.keep(self.env, alias)

    def _migrate(self, alias):
        done = self.run("migrate", "-v0", "--run-syncdb", f"--database={alias}")
        assert done.popen.returncode == 0, done.output

    def start(self, *arguments, **env):
        """Start a management command; it is ended with the test."""
        process = Process([sys.executable, str(MANAGE), *arguments], {**self.env, **env})
        self.add(process)
        return process

    def add(self, process):
        """End *process* with the test."""
        self._processes.append(process)

    def run(self, *arguments, timeout=60, **env):
        """Run a management command to its end.

        What it prints comes in whole lines: unbuffered, print() writes its arguments one by one,
        and a line that a thread logs comes in between.
        """
        env = {"PYTHONUNBUFFERED": "", **env}
        if arguments[0] in TOOLS and (done := _warm.run(arguments, {**self.env, **env}, timeout)):
            return done
        process = self.start(*arguments, **env)
        process.wait(timeout)
        return process

    def runs(self, queue):
        """What receivers recorded: dicts, oldest first."""
        statement = "SELECT * FROM shop_run WHERE queue = ? ORDER BY id"
        found = self.rows("shop", statement, queue)
        # SQLite keeps times as text.
        return [{**run, "started_at": _text(run["started_at"])} for run in found]

    def rows(self, app, statement, *values):
        """The rows that a statement with ``?`` finds where the tables of an app are: dicts."""
        routed = self.env.get("ROUTER") == "apps"
        alias = routers.APPS.get(app, "default") if routed else "default"
        return direct.rows(self.env, statement, *values, alias=alias)

    def bodies(self, queue):
        return [run["body"] for run in self.runs(queue)]

    def end_processes(self):
        for process in self._processes:
            process.end()


def _text(time):
    return time if isinstance(time, str) else time.replace(tzinfo=None).isoformat(" ")
