"""make audit: it fails where something is known, and never says that nothing is without asking."""

import importlib.util
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from .audit import KNOWN
from .processes import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A Python with pip-audit: this one, where make has installed it."""
    if importlib.util.find_spec("pip_audit"):
        return sys.executable
    folder = tmp_path_factory.mktemp("audit")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=120)
    python = folder / "bin" / "python"
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "pip-audit"], capture_output=True, timeout=300
    )
    if done.returncode:
        pytest.skip("pip-audit cannot be installed here")
    return python


class Database:
    """A database of vulnerabilities that speaks as OSV does.

    :ivar known: the packages, as in requirements, that something is known against.
    """

    def __init__(self):
        self.known = set()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1/query"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def stop(self):
        self._http.shutdown()
        self._http.server_close()

    def answer(self, name, version):
        if f"{name}=={version}" not in {known.lower() for known in self.known}:
            return {}
        package = {"name": name, "ecosystem": "PyPI"}
        return {"vulns": [{"id": f"TEST-{name}", "affected": [{"package": package}]}]}

    def _handler(database):  # noqa: N805 - the handler has a self of its own
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = database.answer(asked["package"]["name"], asked["version"])
                body = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        return Handler


@pytest.fixture
def database():
    database = Database()
    yield database
    database.stop()


@pytest.fixture
def audit(python, tmp_path):
    """Audit a file that lists two packages: the exit code and the last line."""
    file = tmp_path / "requirements.txt"
    file.write_text("sqlparse==0.1.0\nkombu==5.6.0\n")

    def audit(url, *arguments):
        done = subprocess.run(
            [python, "-m", "tests.audit", f"--osv-url={url}", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.stdout, done.stderr
        return done.returncode, done.stdout.splitlines()

    audit.listed = f"--requirement={file}"
    return audit


def test_it_fails_where_something_is_known(audit, database):
    database.known = {KNOWN, "sqlparse==0.1.0"}

    code, says = audit(database.url, audit.listed)

    assert code == 1
    assert "VULNERABLE: sqlparse 0.1.0: TEST-sqlparse" in says
    assert says[-1] == f"{database.url}: 2 packages audited, 1 vulnerable"


def test_it_passes_where_nothing_is_known(audit, database):
    database.known = {KNOWN}

    code, says = audit(database.url, audit.listed)

    assert (code, says) == (0, [f"{database.url}: 2 packages audited, 0 vulnerable"])


def test_it_audits_what_is_installed(audit, database):
    database.known = {KNOWN}

    code, says = audit(database.url)

    assert code == 0
    assert int(says[-1].split(": ")[1].split()[0]) > 10


def test_a_database_that_knows_nothing_has_audited_nothing(audit, database):
    code, says = audit(database.url, audit.listed)

    assert code == 0
    assert says[0].endswith(f"it knows nothing against {KNOWN}")
    assert says[-1] == "NOTHING WAS AUDITED"


def test_a_database_that_cannot_be_reached_has_audited_nothing(audit):
    code, says = audit("http://127.0.0.1:1/v1/query", audit.listed)

    assert code == 0
    assert says[0].startswith("Not audited by http://127.0.0.1:1/v1/query: ")
    assert says[-1] == "NOTHING WAS AUDITED"
