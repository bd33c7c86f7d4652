"""The house rules that a machine can check."""

import ast
import io
import subprocess
import sys
from functools import cache
from pathlib import Path

import docutils.core
import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("django_sqs_kombu", "django_sqs")
FILES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))


def module_name(file):
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(file):
    """The modules that *file* imports, for types alone and inside functions, too."""
    package = (
        module_name(file) if file.name == "__init__.py" else module_name(file).rpartition(".")[0]
    )
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                stem = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*stem, base] if base else stem)
            found.add(base)
            # A function that a package hands on may bear the name of its module.
            names = {alias.name for alias in node.names} - handed_on(base)
            found.update(f"{base}.{name}" for name in names)
    return found


@cache
def handed_on(package):
    """The names that a package's __init__ imports from its modules."""
    init = ROOT.joinpath(*package.split("."), "__init__.py")
    nodes = ast.walk(ast.parse(init.read_text())) if package and init.exists() else ()
    froms = (node for node in nodes if isinstance(node, ast.ImportFrom))
    return frozenset(alias.name for node in froms for alias in node.names)


GRAPH = {module_name(file): imports(file) for file in FILES}
GRAPH = {name: {other for other in GRAPH if other in found} for name, found in GRAPH.items()}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_says_in_its_first_line_what_it_owns_and_is_not_long(file):
    text = file.read_text()

    assert len(text.splitlines()) <= 400
    if text:
        assert ast.get_docstring(ast.parse(text)), "no module docstring"
        assert text.startswith('"""')


def test_imports_run_one_way():
    up = {
        (name, other)
        for name, others in GRAPH.items()
        for other in others
        if name.startswith("django_sqs_kombu") and other.split(".")[0] == "django_sqs"
    }

    assert not up


def test_what_speaks_to_sqs_knows_no_kombu():
    folder = ROOT / "django_sqs_kombu" / "transport" / "sqs"
    nodes = [node for file in folder.glob("*.py") for node in ast.walk(ast.parse(file.read_text()))]
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    found |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}

    assert not {name for name in found if name.split(".")[0] in ("kombu", "celery")}


#: The floors of the Django-free half, bottom to top. A module imports none of a floor above
#: its own; a folder stands for all that is in it and has no floor of its own.
FLOORS = (
    ("printable",),
    ("exceptions", "quotas"),
    ("names", "rules"),
    ("transport.sqs",),
    ("transport.body", "transport.holding"),
    ("transport.settling",),
    ("transport.sending",),
    ("transport.receiving",),
    ("transport",),
    ("messages",),
    ("working",),
    ("registration",),
    ("celery", "testing", "administration", "otel"),
    ("",),
)
FOLDERS = {folder: floor for floor, folders in enumerate(FLOORS) for folder in folders}

#: What django_sqs may import of the other half.
FACES = {
    "django_sqs_kombu",
    *(
        f"django_sqs_kombu.{name}"
        for name in (
            *("administration", "exceptions", "names", "otel", "printable", "quotas", "rules"),
            *("celery", "messages", "registration", "testing", "transport", "working"),
        )
    ),
}

# What is still to do, to be emptied; nothing is to be added.
STILL_IN_CIRCLES: set[str] = set()
STILL_UPWARD: set[tuple[str, str]] = set()
STILL_DEEP = {
    "django_sqs.inbox.once",
    "django_sqs.operations.inspection",
    "django_sqs.message",
    "django_sqs.outbox.relay",
}


def inside(name):
    return name.removeprefix("django_sqs_kombu").removeprefix(".")


def folder_of(name):
    name = inside(name)
    while name not in FOLDERS:
        name = name.rpartition(".")[0]
    return name


KOMBU_HALF = [name for name in GRAPH if name.split(".")[0] == "django_sqs_kombu"]


def test_every_module_has_a_floor():
    assert [n for n in KOMBU_HALF if folder_of(n) == ""] == ["django_sqs_kombu"]


def test_a_lower_folder_never_imports_an_upper_one():
    up = {
        (inside(name), inside(other))
        for name in KOMBU_HALF
        for other in GRAPH[name]
        if FOLDERS[folder_of(other)] > FOLDERS[folder_of(name)]
    }

    assert up <= STILL_UPWARD


def test_folders_of_one_floor_do_not_import_each_other():
    across = {
        (inside(name), inside(other))
        for name in KOMBU_HALF
        for other in GRAPH[name]
        if folder_of(other) != folder_of(name)
        and FOLDERS[folder_of(other)] == FOLDERS[folder_of(name)]
    }

    assert not across


def test_the_django_half_imports_faces_only():
    deep = {
        name: others
        for name in GRAPH
        if name.split(".")[0] == "django_sqs" and name not in STILL_DEEP
        if (others := {o for o in GRAPH[name] if o.startswith("django_sqs_kombu")} - FACES)
    }

    assert not deep


def test_no_module_imports_a_private_one_of_another_folder():
    private = {
        (name, other)
        for name, others in GRAPH.items()
        for other in others
        for folder, _, module in (other.rpartition("."),)
        if module.startswith("_") and not name.startswith(folder)
    }

    assert not private


def test_no_circles():
    def reach(name, seen):
        for other in GRAPH[name] - seen:
            seen.add(other)
            reach(other, seen)
        return seen

    # A package's __init__ hands names on, so its own modules lie below it.
    circles = {name for name in GRAPH if name in reach(name, set())}

    assert circles <= STILL_IN_CIRCLES


@pytest.mark.parametrize("name", ["README.rst", "CHANGELOG.rst"])
def test_documents_are_well_formed(name):
    complaints = io.StringIO()

    docutils.core.publish_doctree(
        (ROOT / name).read_text(), settings_overrides={"warning_stream": complaints}
    )

    assert not complaints.getvalue()


@pytest.mark.parametrize(
    "code",
    [
        # As where Django is not installed: any import of it would fail.
        "import sys; sys.modules['django'] = None; import django_sqs_kombu",
        # Without settings: importing the Django half must not read them.
        "import django_sqs; django_sqs.register('orders')",
    ],
)
def test_imports_that_need_nothing_else(code):
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_importing_changes_nothing_in_kombu():
    code = """
import kombu.transport, kombu.transport.SQS as SQS, kombu.transport.virtual as virtual
def facts():
    return {cls: dict(vars(cls)) for cls in (
        SQS.Channel, SQS.Transport, SQS.QoS, virtual.Channel, virtual.Transport, virtual.Message)}
before, aliases = facts(), dict(kombu.transport.TRANSPORT_ALIASES)
import django_sqs, django_sqs_kombu
from django_sqs_kombu import Receivers
Receivers("sqs-batch://a:b@").new_connection().transport
assert facts() == before
after = kombu.transport.TRANSPORT_ALIASES
assert set(after) - set(aliases) == {"sqs-batch"}
assert all(after[name] == aliases[name] for name in aliases)
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
