"""The page that has the same feature with others: its figures are those that were counted."""

import ast
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from benchmarks.beside.__main__ import PAGE, RESULTS, TEXT
from benchmarks.beside.page import an_hour, page
from benchmarks.beside.projects import HERE, PROJECTS, SITE, lines_of_code

from ..processes import ROOT

#: The program, with one project whose worker has a child, and nothing measured.
MEASURES = """
import os, sys, time
from pathlib import Path
from benchmarks.beside import __main__ as program
from benchmarks.beside.running import Running

class Project:
    name = "site"
    write = staticmethod(lambda folder: None)
    commands = staticmethod(lambda: {"worker": "sh -c '(while sleep .1; do echo; done) & wait'"})

def measure(idle):
    env = {"PATH": "/usr/bin:/bin"}
    with Running(Project, Path(os.environ["FOLDER"]), sys.executable, env).started():
        time.sleep(60)

program.measure = measure
program.main()
"""


@pytest.fixture(scope="module")
def stored():
    return json.loads(RESULTS.read_text())


def test_the_page_is_made_of_what_is_stored(stored):
    assert PAGE.read_text() == page(stored, TEXT.read_text())


def test_the_lines_that_are_stored_are_those_of_the_projects(stored):
    for project in PROJECTS:
        figures = stored["projects"][project.name]
        assert figures["lines"] == project.lines()
        assert figures["files"] == len(project.files())
        assert figures["commands"] == project.commands()


def test_blank_lines_and_comments_are_no_code():
    text = '# nothing\n\nfoo = [\n    1,\n    # no\n]\n\n\ndef bar():\n    """Said."""\n'

    assert lines_of_code(text) == 5


def test_what_was_watched_counts_for_an_hour():
    idle = {"requests": {"ReceiveMessage": 15, "ListQueueTags": 5}, "statements": 6, "seconds": 300}

    assert an_hour({"idle": idle}, "requests") == 240
    assert an_hour({"idle": idle}, "statements") == 72


@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)
def test_a_project_is_python_that_adds_to_the_site_and_changes_nothing_of_it(project):
    of_the_site = {str(file.relative_to(SITE)) for file in SITE.rglob("*.py")}

    files = project.files()

    for name, text in files.items():
        ast.parse(text, name)
    # Celery has its app imported by the settings' package.
    assert not set(files) & of_the_site - {"config/__init__.py"}
    assert "place_order" in files["shop/orders.py"]


def test_no_other_folder_stands_beside_the_projects():
    folders = {folder.name for folder in HERE.iterdir() if folder.is_dir()}

    assert folders - {"__pycache__"} == {"site", *(project.name for project in PROJECTS)}


def test_it_is_the_same_feature_in_each(stored):
    for name, figures in stored["projects"].items():
        assert figures["tries"] == 3, name
        assert figures["third try after"] > 0, name
        assert figures["sent after a rollback"] is False, name
        assert figures["ended"] == [], name
        assert all(page["status"] == 200 for page in figures["pages"].values()), name


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_who_ends_it_ends_the_workers_that_it_has_started(tmp_path, eventually, number):
    env = {**os.environ, "FOLDER": str(tmp_path)}
    program = subprocess.Popen([sys.executable, "-c", MEASURES], cwd=ROOT, env=env)
    log = tmp_path / "worker.log"
    eventually(lambda: log.exists() and log.stat().st_size)

    program.send_signal(number)

    assert program.wait(30) == 128 + number
    said = log.stat().st_size
    time.sleep(0.5)
    assert log.stat().st_size == said
