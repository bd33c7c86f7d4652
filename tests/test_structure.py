"""The house rules that a machine can check."""

import ast
import io
import subprocess
import sys
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
    """The modules that *file* imports when it runs, TYPE_CHECKING blocks left out."""
    tree = ast.parse(file.read_text())
    package = (
        module_name(file) if file.name == "__init__.py" else module_name(file).rpartition(".")[0]
    )
    todo, found = list(tree.body), set()
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                stem = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*stem, base] if base else stem)
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
        todo.extend(ast.iter_child_nodes(node))
    return found


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


def test_no_circles():
    def reach(name, seen):
        for other in GRAPH[name] - seen:
            seen.add(other)
            reach(other, seen)
        return seen

    # A package's __init__ hands names on, so its own modules lie below it.
    circles = [name for name in GRAPH if name in reach(name, set())]

    assert not circles


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
