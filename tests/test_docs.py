"""The documentation: it builds without a warning, and every code block in it works."""

import configparser
import importlib.metadata
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from django.core.management import CommandError, load_command_class
from docutils import nodes
from docutils.core import publish_doctree

from .documents import ROOT, blocks_of

#: The README's Python is run by test_examples, in a new site.
DOCUMENTS = [ROOT / "README.rst", *sorted((ROOT / "docs").rglob("*.rst"))]
DOCUMENTS = [file for file in DOCUMENTS if "_generated" not in file.parts]
#: tests/walk_tutorial.py walks this one, block by block, with what `make build` made.
WALKED = ROOT / "docs" / "tutorial.rst"
HTTP_PATHS = {"/healthz", "/readyz", "/metrics", "/wake", "/sqs/wake/"}
APPS = (
    "django.core",
    "django_sqs",
    "django_sqs.inbox",
    "django_sqs.tickets",
    "django_sqs.outbox",
    "django_sqs.results",
    "django_sqs.failures",
    "django_sqs.schedules",
)

pytestmark = pytest.mark.slow


BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]


def those(language):
    chosen = [b for b in BLOCKS if b.language == language and b.document != WALKED]
    return pytest.mark.parametrize(
        "block", chosen, ids=[f"{b.document.relative_to(ROOT)}:{b.line}" for b in chosen]
    )


def test_there_is_a_test_for_every_language():
    found = {block.language for block in BLOCKS if block.document != WALKED}
    assert found <= {"python", "shell", "yaml", "json", "ini"}
    assert len(BLOCKS) > 50


def test_every_block_of_the_tutorial_says_where_it_goes():
    """So that what a release walks cannot be broken unseen by an edit."""
    for block in blocks_of(WALKED):
        where = {"shell": r"terminal \d", "text": r"terminal \d shows"}
        wanted = where.get(block.language, r"[\w./]+(, at the end)?")
        assert re.fullmatch(wanted, block.caption), f"{block.line}: {block.caption}"
        if block.language == "python":
            compile(block.code, block.caption, "exec")


def test_the_readme_needs_nothing_beside_it():
    """The index shows it alone, with no address that its links could be relative to."""
    tree = publish_doctree((ROOT / "README.rst").read_text())

    links = [node["refuri"] for node in tree.findall(nodes.reference)]
    assert [link for link in links if not link.startswith("https://")] == []
    assert [node["uri"] for node in tree.findall(nodes.image)] == []


def test_it_builds_without_a_warning(built_docs):
    page = (built_docs / "reference" / "settings.html").read_text()
    assert "SQS_POLL_MAX_IDLE" in page
    assert "$0.40" in (built_docs / "howto" / "cost.html").read_text()


def test_the_readme_has_the_figures_of_the_front_page(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    from extensions.front import requests_of

    requests = requests_of(json.loads((ROOT / "benchmarks" / "results.json").read_text()))
    readme = " ".join((ROOT / "README.rst").read_text().split())

    ours = f"costs {requests['send']} requests in all, and {requests['in bulk']} if it is sent in"
    assert ours in readme
    assert f"with Celery on SQS {requests['Celery']} " in readme


def python_of(document):
    return [block for block in blocks_of(document) if block.language == "python"]


def needs_a_project(document):
    """Whether there is more than settings, which a single project can look over."""
    return any(block.caption != "settings.py" for block in python_of(document))


WITH_PYTHON = [
    document
    for document in DOCUMENTS
    if document.name != "README.rst" and document != WALKED and python_of(document)
]


@pytest.mark.parametrize(
    "documents",
    [
        *([document] for document in WITH_PYTHON if needs_a_project(document)),
        [document for document in WITH_PYTHON if not needs_a_project(document)],
    ],
    ids=lambda documents: " ".join(str(d.relative_to(ROOT)) for d in documents),
)
def test_python(documents, server, prefix, tmp_path):
    """All blocks of a document, one after the other, in a project of its own."""
    code = [
        {
            "where": f"{document.name}:{block.line}",
            "code": block.code,
            "settings": block.caption == "settings.py",
        }
        for document in documents
        for block in python_of(document)
    ]
    file = tmp_path / "blocks.json"
    file.write_text(json.dumps(code))

    done = subprocess.run(
        [sys.executable, "-m", "tests.run_blocks", file, documents[0].name],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TEST_SQS_ENDPOINT_URL": server.url,
            "TEST_SQS_PREFIX": prefix,
            # For what speaks to SQS by boto3 alone.
            "AWS_ENDPOINT_URL_SQS": server.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "DJANGO_SETTINGS_MODULE": "tests.site.settings",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def command_lines(block):
    """The lines of a shell block: joined where they go on, without comments."""
    text = block.code.replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [line for line in lines if line]


def check_manage(arguments):
    """That a command of ours takes these arguments."""
    name, *rest = arguments
    for app in APPS:
        try:
            command = load_command_class(app, name)
        except ModuleNotFoundError:
            continue
        try:
            command.create_parser("manage.py", name).parse_args(rest)
        except (CommandError, SystemExit) as exc:
            pytest.fail(f"{name} {rest}: {exc}")
        return
    pytest.fail(f"there is no command {name}")


def check_command(arguments):
    if arguments[:2] == ["python", "manage.py"]:
        check_manage(arguments[2:])
    elif arguments[:2] == ["pip", "install"]:
        check_install(arguments[2:])
    elif arguments[0] == "make":
        done = subprocess.run(["make", "--dry-run", *arguments[1:]], cwd=ROOT, capture_output=True)
        assert done.returncode == 0, done.stderr
    elif arguments[0] == "curl":
        assert re.sub(r"https?://[^/]+", "", arguments[-1]) in HTTP_PATHS
    else:
        pytest.fail(f"no test knows {arguments[0]!r}")


def check_install(arguments):
    extras = importlib.metadata.metadata("django-sqs").get_all("Provides-Extra")
    for requirement in arguments:
        name, chosen = re.fullmatch(r"([a-z-]+)(?:\[([a-z0-9,]+)\])?(?:>=2)?", requirement).groups()
        assert name == "django-sqs"
        assert not {*(chosen or "").split(",")} - {"", *extras}


@those("shell")
def test_shell(block):
    if "[queue_name ...]" in block.code:
        pytest.skip("a synopsis; test_examples compares it with the commands")
    for arguments in command_lines(block):
        check_command(arguments)


@those("yaml")
def test_yaml(block):
    yaml = pytest.importorskip("yaml")
    for document in yaml.safe_load_all(block.code):
        assert document["apiVersion"]
        assert document["kind"]
        for container in containers(document):
            check_command(container["command"])
            for probe in ("livenessProbe", "readinessProbe"):
                assert container[probe]["httpGet"]["path"] in HTTP_PATHS


def containers(document):
    template = document.get("spec", {}).get("template", {})
    return template.get("spec", {}).get("containers", [])


@those("json")
def test_json(block):
    definition = json.loads(block.code)
    for container in definition["containerDefinitions"]:
        check_command(container["command"])
        check = container["healthCheck"]["command"]
        assert check[0] == "CMD"
        compile(check[-1], "health check", "exec")


@those("ini")
def test_ini(block, tmp_path):
    unit = configparser.ConfigParser(strict=True, interpolation=None)
    unit.optionxform = str
    unit.read_string(block.code)
    command = shlex.split(unit["Service"]["ExecStart"])
    assert command[0].endswith("/python")
    check_command(["python", *command[1:]])
    if shutil.which("systemd-analyze"):
        file = tmp_path / "shop.service"
        file.write_text(re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", block.code))
        done = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True)
        assert "Unknown" not in done.stderr, done.stderr
