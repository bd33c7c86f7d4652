"""A real project for its pages: the admin served by runserver, and a worker."""

import base64
import os
import re
import shutil
import time
import urllib.parse
import urllib.request
import uuid
from http.cookiejar import CookieJar
from pathlib import Path
from types import SimpleNamespace

import pytest

from ..project import Project
from ..server import Server

#: Where screenshots go, for a person to look at; unset: none are taken.
SHOTS = os.environ.get("SCREENSHOTS")

USERS = """
from django.contrib.auth.models import Permission, User
User.objects.create_superuser("root", password="root")
for name, codes in {"reader": ["view"], "mover": ["view", "move"], "nobody": []}.items():
    user = User.objects.create_user(name, password=name, is_staff=True)
    for code in codes:
        user.user_permissions.add(Permission.objects.get(codename=f"{code}_queuereport"))
User.objects.create_user("outsider", password="outsider")
"""


@pytest.fixture(scope="module")
def site(request, tmp_path_factory):
    """The project, migrated, with users, served; all tests of a module share it.

    A module's ENVIRONMENT is the project's, too.
    """
    sqs = Server()
    sqs.start()
    folder = tmp_path_factory.mktemp("site")
    project = Project(sqs.url, f"pages-{uuid.uuid4().hex[:8]}", folder)
    # SQLite's has tables without migrations.
    project.database.unlink(missing_ok=True)
    project.env["TEST_ADMIN"] = "yes"
    project.env["AWS_MAX_ATTEMPTS"] = "1"
    project.env |= getattr(request.module, "ENVIRONMENT", {})
    project.migrate()
    done = project.run("shell", "-c", USERS)
    assert done.popen.returncode == 0, done.output
    serving = project.start("runserver", "--noreload", "127.0.0.1:0", PYTHONUNBUFFERED="1")
    site = SimpleNamespace(project=project, sqs=sqs, url=url_of(serving))
    yield site
    project.end_processes()
    sqs.stop()


def url_of(serving):
    deadline = time.monotonic() + 40
    while True:
        # "127.0.0.1:0" is what runserver says; the system's table says which port it is.
        ports = _listening(serving.pid)
        if ports:
            return f"http://127.0.0.1:{ports[0]}"
        assert time.monotonic() < deadline, serving.output
        time.sleep(0.1)


def _listening(pid):
    """The ports on which a process listens."""
    inodes = set()
    for link in _links(f"/proc/{pid}/fd"):
        if found := re.fullmatch(r"socket:\[(\d+)\]", link):
            inodes.add(found[1])
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return [
        int(row[1].partition(":")[2], 16) for row in rows if row[3] == "0A" and row[9] in inodes
    ]


def _links(folder):
    for name in os.listdir(folder):
        try:
            yield os.readlink(f"{folder}/{name}")
        except OSError:
            continue


class Session:
    """Somebody with a browser without JavaScript.

    :ivar language: what their browser asks for.
    """

    def __init__(self, url):
        self.url = url
        self.language = "en"
        self._jar = CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar))

    def get(self, path):
        return self._open(path, None)

    def post(self, path, **fields):
        token = next((c.value for c in self._jar if c.name == "csrftoken"), "")
        return self._open(path, {"csrfmiddlewaretoken": token, **fields})

    def post_without_token(self, path, **fields):
        return self._open(path, fields)

    def log_in(self, name):
        self.get("/admin/login/")
        self.post("/admin/login/?next=/admin/", username=name, password=name)
        return self

    def _open(self, path, fields):
        data = None if fields is None else urllib.parse.urlencode(fields, doseq=True).encode()
        try:
            asked = urllib.request.Request(
                self.url + path, data, {"Accept-Language": self.language}
            )
            with self._opener.open(asked, timeout=30) as answer:
                return SimpleNamespace(
                    status=answer.status, text=answer.read().decode(), url=answer.url
                )
        except urllib.error.HTTPError as error:
            return SimpleNamespace(status=error.code, text=error.read().decode(), url=error.url)


@pytest.fixture
def visit(site):
    """A session of somebody who has logged in."""
    return lambda name: Session(site.url).log_in(name)


@pytest.fixture
def worker(site, eventually):
    """A worker of the project, which has sent its first heartbeat."""
    worker = site.project.start("runreceiver", "light", "broken", "--processes=1", "--threads=2")

    eventually(lambda: heartbeats(site, worker), timeout=30)
    yield worker
    worker.end()


def heartbeats(site, worker):
    """How many rows say that a worker lives."""
    statement = "SELECT count(*) AS n FROM django_sqs_monitor_heartbeat WHERE pid = ?"
    return site.project.rows("django_sqs_monitor", statement, worker.pid)[0]["n"]


@pytest.fixture
def send(site):
    """Send as the project does."""

    def send(code):
        done = site.project.run("shell", "-c", f"import django_sqs\n{code}")
        assert done.popen.returncode == 0, done.output

    return send


@pytest.fixture(scope="package")
def browser():
    """Headless Chromium, where it is installed.

    Not for longer: Playwright's event loop runs in this thread meanwhile, where Django then lets
    no test use a database.
    """
    playwright = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=path,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, site, tmp_path):
    """Open a page as somebody who has logged in."""
    contexts = []

    def open_page(path, *, width=1280, dark=False, **options):
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            **options,
        )
        contexts.append(context)
        page = context.new_page()
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(f"{site.url}/admin/login/?next={path}")
        page.fill("#id_username", "root")
        page.fill("#id_password", "root")
        page.click("[type=submit]")
        page.wait_for_url(f"**{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()


def shoot(page, tmp_path, name):
    """Keep what a page looks like."""
    if SHOTS:
        folder = Path(SHOTS)
        folder.mkdir(exist_ok=True)
        page.screenshot(path=folder / f"{name}.png", full_page=True)


@pytest.fixture
def picture(tmp_path):
    """Keep the upper part of a page as WebP, which is small; ``make pictures`` says where."""
    folder = Path(os.environ.get("PICTURES", tmp_path))

    def picture(page, name, height=760):
        page.mouse.move(0, 0)
        top = page.evaluate("scrollY")
        shown = {
            "x": 0,
            "y": top,
            "width": page.viewport_size["width"],
            "height": height,
            "scale": 1,
        }
        asked = {"format": "webp", "quality": 70, "clip": shown}
        session = page.context.new_cdp_session(page)
        image = base64.b64decode(session.send("Page.captureScreenshot", asked)["data"])
        session.detach()
        assert image[8:12] == b"WEBP"
        file = folder / f"{name}.webp"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(image)

    return picture
