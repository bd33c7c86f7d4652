"""Walks the tutorial as its reader does: block by block, with what was installed.

``python tests/walk_tutorial.py WHEEL``, in an empty folder, makes the tutorial's virtual
environment with the ``python3`` that is found first.
Captions say where a block goes, "terminal N shows" what is waited for, and two sentences of the
text are acted on: "Open URL and order *something*", and "Press Ctrl-C in terminals 2 and 3".
Only what names another machine than the reader's is replaced: the package by the wheel, and a
port that something else has.
"""

import http.cookiejar
import os
import re
import signal
import socket
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

from documents import ROOT, blocks_of
from terminal import Terminal

TUTORIAL = ROOT / "docs" / "tutorial.rst"
ACTION = re.compile(
    r"Open\s+(?P<url>http://\S+)\s+and\s+order\s+\*(?P<item>\w+)\*"
    r"|Press\s+Ctrl-C\s+in\s+terminals\s+(?P<stopped>[\d, and]+)"
)
#: They run until they are stopped.
SERVERS = ("sqs_local", "runreceiver", "runserver")
#: What the reader's first message may take after the installation, in seconds.
FIRST_MESSAGE = 60
#: Ports of the tutorial, and what makes its commands take another.
PORTS = {4566: "sqs_local --port={}", 8000: "runserver {}"}
#: What a reader's environment does not hold.
STRANGE = ("AWS_", "DJANGO_", "PYTHON", "SQS_", "TEST_", "VIRTUAL_ENV")


class Walk:
    """One walk: the reader's folder, and the terminals."""

    def __init__(self, folder, wheel):
        self.folder = folder
        self.changes = {
            r"'(django-sqs\[[a-z,]+\])>=2'": rf"'\1 @ {wheel.resolve().as_uri()}'",
        }
        self.terminals = {}
        self.installed = self.first_message = 0.0

    def go(self):
        try:
            text, at = TUTORIAL.read_text(), 0
            for block in blocks_of(TUTORIAL):
                self.act(text[at : block.start])
                at = block.start
                began = time.monotonic()
                self.follow(block)
                where = f"tutorial.rst:{block.line} {block.caption}"
                print(f"{time.monotonic() - began:5.1f} s  {where}", flush=True)
            self.act(text[at:])
        finally:
            for terminal in self.terminals.values():
                terminal.end()

    def follow(self, block):
        code = self.local(block.code)
        if block.language == "text":
            self.terminal(block.caption.removesuffix(" shows")).expect(code)
            self.first_message = self.first_message or (
                "packing" in code and time.monotonic() - self.installed
            )
        elif block.language == "shell":
            terminal = self.terminal(block.caption)
            terminal.type(code)
            if not any(server in code for server in SERVERS):
                terminal.wait()
            if "pip install" in code and not self.installed:
                self.installed = time.monotonic()
                terminal.type("pip check\n")
                terminal.wait()
                self.choose_ports()
        else:
            name, _, where = block.caption.partition(", ")
            file = self.folder / "tutorial" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            assert where in ("", "at the end"), block.caption
            file.write_text((file.read_text() + "\n" if where else "") + code)

    def choose_ports(self):
        """Soon before they are used, so that nobody else takes them meanwhile."""
        for port, command in PORTS.items():
            if (other := usable(port)) != port:
                self.changes[rf"127\.0\.0\.1:{port}"] = f"127.0.0.1:{other}"
                self.changes[command.split()[0] + "$"] = command.format(other)

    def act(self, prose):
        for found in ACTION.finditer(prose):
            if found["url"]:
                order(self.local(found["url"]), found["item"])
            else:
                for number in re.findall(r"\d+", found["stopped"]):
                    self.terminals.pop(f"terminal {number}").interrupt()

    def terminal(self, name):
        assert re.fullmatch(r"terminal \d", name), name
        if name not in self.terminals:
            self.terminals[name] = Terminal(name, self.folder, environment())
            if len(self.terminals) > 1:
                self.terminals[name].type("cd tutorial\n. venv/bin/activate\n")
                self.terminals[name].wait()
        return self.terminals[name]

    def local(self, code):
        for pattern, replacement in self.changes.items():
            code = re.sub(pattern, replacement, code, flags=re.M)
        return code


def order(url, item):
    """As a browser does it: ask for the page, fill in its form, send it with its cookies."""
    browser = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
    )
    page = browser.open(url, timeout=20).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
    form = urllib.parse.urlencode({"csrfmiddlewaretoken": token, "item": item})
    answer = browser.open(url, form.encode(), timeout=20).read().decode()
    assert "Thank you!" in answer, answer


def environment():
    kept = {name: text for name, text in os.environ.items() if not name.startswith(STRANGE)}
    # A terminal shows each line at once.
    return kept | {"PYTHONUNBUFFERED": "1"}


def usable(port):
    """The port, or another where something listens there."""
    for each in (port, 0):
        try:
            with socket.create_server(("127.0.0.1", each)) as server:
                return server.getsockname()[1]
        except OSError:
            continue
    raise OSError("no port is free")


if __name__ == "__main__":
    # What a shell has in the background starts with Ctrl-C ignored, and so would the terminals.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    walk = Walk(Path.cwd(), Path(sys.argv[1]))
    walk.go()
    took = walk.first_message
    assert 0 < took < FIRST_MESSAGE, f"the first message came {took:.0f} s after the installation"
    print(f"the first message came {took:.1f} s after the installation")
