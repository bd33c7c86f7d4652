"""The house rules that a machine can check."""

import ast
import io
import re
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


@cache
def graph():
    """Whom each module imports; not made where tests are only looked for."""
    found = {module_name(file): imports(file) for file in FILES}
    return {name: {other for other in found if other in others} for name, others in found.items()}


def test_a_file_says_in_its_first_line_what_it_owns_and_is_not_long():
    texts = {str(file.relative_to(ROOT)): file.read_text() for file in FILES}

    assert not [name for name, text in texts.items() if len(text.splitlines()) > 400]
    starts = {name: text.startswith('"""') for name, text in texts.items() if text}
    assert not [name for name, does in starts.items() if not does], "no module docstring"
    assert all(ast.get_docstring(ast.parse(texts[name])) for name in starts)


def test_no_module_logs_by_a_logger_that_raises():
    loggers = {file for file in FILES if "getLogger(__name__)" in file.read_text()}

    assert {file.name for file in loggers} <= {"logs.py"}, loggers


def test_no_thread_is_started_but_by_what_tells_that_there_is_none():
    makes = {file for file in FILES if "threading.Thread(" in file.read_text()}
    starts = {file for file in FILES if "start_thread(" in file.read_text()}
    at_once = re.compile(r"threading\.Thread\([^)]*\)\.start\(|[Tt]hread\.start\(\)")

    assert makes <= starts
    assert {file.name for file in FILES if at_once.search(file.read_text())} == {"new_threads.py"}


#: What compares the time with that of other hosts, or of SQS. All else counts by the monotonic
#: clock: a step of the other one must end no lease and stall no worker.
WALL_CLOCK = {
    "django_sqs.tickets.management.commands.sqs_prune_tickets",
    "django_sqs.tickets.store",
    "django_sqs.operations.inspection",
    "django_sqs.operations.redriving",
    "django_sqs.worker.stats",
    "django_sqs_kombu.registration.outgoing",
    "django_sqs_kombu.testing.local_delivery",
    "django_sqs_kombu.transport.sending.delays",
    "django_sqs_kombu.transport.sending.expiring",
    "django_sqs_kombu.transport.sending.resending",
    "django_sqs_kombu.transport.sqs.clock",
    "django_sqs_kombu.transport.sqs.wire.lane",
    "django_sqs_kombu.working.failure",
    "django_sqs_kombu.working.rate",
}


def test_a_step_of_the_clock_ends_no_lease():
    assert {module_name(file) for file in FILES if "time.time(" in file.read_text()} == WALL_CLOCK


def test_imports_run_one_way():
    up = {
        (name, other)
        for name, others in graph().items()
        for other in others
        if name.startswith("django_sqs_kombu") and other.split(".")[0] == "django_sqs"
    }

    assert not up


def test_what_speaks_to_sqs_knows_no_kombu():
    folder = ROOT / "django_sqs_kombu" / "transport" / "sqs"
    nodes = [
        node for file in folder.rglob("*.py") for node in ast.walk(ast.parse(file.read_text()))
    ]
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    found |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}

    assert not {name for name in found if name.split(".")[0] in ("kombu", "celery")}


OPTIONAL_NAMES = (
    *("inbox", "outbox", "results", "monitor", "failures", "schedules"),
    *("tickets", "wake"),
)

#: The floors of each half, bottom to top. A module imports none of a floor above its own; a
#: folder stands for all that is in it and has no floor of its own.
FLOORS = {
    "django_sqs_kombu": (
        ("printable", "reminders", "restarts", "unpack"),
        ("exceptions", "quotas"),
        ("odd",),
        ("drops", "logs", "new_threads", "posix"),
        ("names", "rules"),
        ("transport.sqs",),
        ("transport.body", "transport.holding"),
        ("transport.settling",),
        ("transport.sending",),
        ("transport.receiving",),
        ("transport",),
        ("messages",),
        ("events",),
        ("working",),
        ("registration", "sifting"),
        ("aws_lambda", "celery", "testing", "administration", "otel"),
        ("",),
    ),
    "django_sqs": (
        ("named", "keywords", "portions", "row_options", "setting_rules"),
        ("proxy",),
        (
            "app_checks",
            "conf",
            "counted",
            "database_errors",
            "forking",
            "half_read",
            "language",
            "optional",
            "readable",
            "signals",
            "written",
        ),
        ("not_migrated", "problems", "refusals"),
        ("access", "clocks", "commits", "connections", "row_admin", "storable"),
        ("open_transactions", "refused_writes", "steady"),
        ("batches", "calls", "key_database"),
        ("registry",),
        ("message", "receiver_loop", "events"),
        ("registered_queue",),
        ("aws_lambda",),
        ("api", "operations", "tasks", "worker"),
        ("web",),
        ("asgi", "development", "gunicorn", "management", "views"),
        ("urls", *OPTIONAL_NAMES),
        (
            "checks",
            "database_checks",
            "policy_checks",
            "schedule_checks",
            "tenant_checks",
            "testing",
        ),
        ("unique_checks",),
        ("pytest_plugin", "management.commands"),
        ("apps",),
        ("",),
        # What is started without a project of one's own, and uses what everybody may use.
        ("demo", "local"),
    ),
}
HALVES = pytest.mark.parametrize("half", FLOORS)

#: What a project may leave out. Nothing else imports it; it announces itself.
OPTIONAL = {
    f"django_sqs.{name}"
    for name in (
        "inbox",
        "outbox",
        "results",
        "monitor",
        "failures",
        "schedules",
        "tickets",
        "wake",
    )
}

#: What django_sqs may import of the other half.
FACES = {
    "django_sqs_kombu",
    *(
        f"django_sqs_kombu.{name}"
        for name in (
            *(
                "administration",
                "drops",
                "exceptions",
                "logs",
                "names",
                "new_threads",
                "otel",
                "posix",
                "printable",
                "quotas",
                "rules",
                "unpack",
            ),
            *("aws_lambda", "celery", "events", "messages", "registration"),
            *("testing", "transport", "working"),
        )
    ),
}


def modules_of(half):
    return {name for name in graph() if name.split(".")[0] == half}


def folder_of(name):
    half, _, name = name.partition(".")
    while not any(name in folders for folders in FLOORS[half]):
        name = name.rpartition(".")[0]
    return name


def floor_of(name):
    half, folder = name.partition(".")[0], folder_of(name)
    return next(n for n, folders in enumerate(FLOORS[half]) if folder in folders)


def arrows(half):
    """Who imports whom, within a half."""
    return {
        (name, other) for name in modules_of(half) for other in graph()[name] & modules_of(half)
    }


@HALVES
def test_every_module_has_a_floor(half):
    assert [name for name in modules_of(half) if folder_of(name) == ""] == [half]


@HALVES
def test_a_lower_folder_never_imports_an_upper_one(half):
    up = {(name, other) for name, other in arrows(half) if floor_of(other) > floor_of(name)}

    assert not up


@HALVES
def test_folders_of_one_floor_do_not_import_each_other(half):
    across = {
        (name, other)
        for name, other in arrows(half)
        if folder_of(other) != folder_of(name) and floor_of(other) == floor_of(name)
    }

    assert not across


def test_nothing_imports_an_optional_app():
    def app_of(name):
        return next((app for app in OPTIONAL if f"{name}.".startswith(f"{app}.")), None)

    found = {
        (name, other)
        for name, other in arrows("django_sqs")
        if app_of(other) not in (None, app_of(name))
    }

    # Wake-up calls need no app of their own, so django_sqs's announces them.
    assert found == {("django_sqs.apps", "django_sqs.wake.calls")}


def test_the_django_half_imports_faces_only():
    deep = {
        name: others
        for name in modules_of("django_sqs")
        if (others := {o for o in graph()[name] if o.startswith("django_sqs_kombu")} - FACES)
    }

    assert not deep


def test_no_module_imports_a_private_one_of_another_folder():
    private = {
        (name, other)
        for name, others in graph().items()
        for other in others
        for folder, _, module in (other.rpartition("."),)
        if module.startswith("_") and not name.startswith(folder)
    }

    assert not private


def test_no_circles():
    def reach(name, seen):
        for other in graph()[name] - seen:
            seen.add(other)
            reach(other, seen)
        return seen

    # A package's __init__ hands names on, so its own modules lie below it.
    circles = {name for name in graph() if name in reach(name, set())}

    assert not circles


@pytest.mark.parametrize("name", ["README.rst", "CHANGELOG.rst"])
def test_documents_are_well_formed(name):
    complaints = io.StringIO()

    docutils.core.publish_doctree(
        (ROOT / name).read_text(), settings_overrides={"warning_stream": complaints}
    )

    assert not complaints.getvalue()


def test_the_readme_has_no_link_that_an_index_cannot_follow():
    targets = re.findall(r"<([^<>]+)>`_", (ROOT / "README.rst").read_text())

    assert targets
    assert not [target for target in targets if not target.startswith("https://")]


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


def test_pytest_loads_little_for_a_project_that_only_has_the_package_installed():
    code = """
import pytest, sys
import django_sqs.pytest_plugin
heavy = {"django", "django_sqs_kombu", "kombu", "boto3", "botocore"} & sys.modules.keys()
assert not heavy, heavy
"""
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


def test_the_docs_say_what_to_do_about_each_error_record_and_check(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    from extensions.messages import checks_page, errors_page, log_page

    # Each raises where a text of the code is new, and says in which file to write about it.
    assert all([errors_page(), log_page(), checks_page()])
