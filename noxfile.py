"""The matrix: every supported Python with every Django it can run, oldest and newest parts.

A Python that is not on PATH is skipped with a message.
"""

import functools
import hashlib
import os
import tarfile
from pathlib import Path

import nox
from nox.command import CommandFailed

# nox brings it along. It makes an environment in a tenth of the time of venv, with a new pip, which
# takes two thirds of the time of the one that comes with an old Python.
nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True

TESTS = Path(__file__).parent / "tests"
SMOKE, WALK = TESTS / "release_smoke.py", TESTS / "walk_tutorial.py"
#: The Python on which the tutorial is walked, in a virtual environment that it makes itself, in
#: place of a look at the same parts.
WALKED = "3.13"
#: Those on which Django is at first left out. What the half that needs none imports depends on no
#: version between; with Django, each of its modules is imported on each Python.
BARE = ("3.10", WALKED, "3.14")
#: What whoever has the source distribution alone can read, run and test; one file of each kind.
IN_SDIST = (
    *("CHANGELOG.rst", "LICENSE", "Makefile", "README.rst", "noxfile.py", "setup.cfg"),
    *("docs/conf.py", "docs/tutorial.rst"),
    *("examples/standalone.py", "examples/lambda/template.yaml", "tests/conftest.py"),
    *("tests/walk_tutorial.py", "benchmarks/__main__.py", ".ci/run"),
)

# The oldest and the newest that pyproject.toml admits; "" is the newest there is.
OLDEST_BOTO3, NEWEST = "~=1.34.131", ""
OLDEST_KOMBU = "5.6.0"

# Of each series the newest patch: older ones have known faults, SQL injections among them.
# (Python, Django, kombu, boto3, tags). CI runs the corners; `make test` runs the Python that is
# the default.
MATRIX = [
    ("3.10", "5.2.0", OLDEST_KOMBU, OLDEST_BOTO3, ["corner"]),
    ("3.12", "6.0.0", "5.7.0", NEWEST, []),
    ("3.13", "6.1.0", "5.7.0", NEWEST, ["corner"]),
    ("3.14", "6.1.0", "5.7.0", NEWEST, []),
]


#: What depends on none of these versions `make test` has run: how faults end, what takes long
#: for the sake of a clock, benchmarks, the text of this repository.
LEFT_OUT = (
    *("tests/benchmarks", "tests/faults", "tests/fuzz", "tests/typing"),
    *("tests/test_docs.py", "tests/test_security_page.py", "tests/test_structure.py"),
    *("tests/test_diagrams.py", "tests/test_platforms_page.py", "tests/test_troubleshooting.py"),
)
CHOICE = ["-m", "not slow", *(f"--ignore={path}" for path in LEFT_OUT)]
#: CI's time is short.  Of the oldest versions it runs what Kombu's, boto3's and Python's matter
#: to, of the newest what Django's does, and which calls the other; `make matrix` runs all.
HALVES = {
    True: [
        *(f"tests/django_sqs_kombu/{folder}" for folder in ("celery", "transport", "working")),
        *("tests/test_imports.py", "tests/django_sqs/tasks"),
    ],
    False: ["tests/django_sqs"],
}
#: pip would compile what nobody imports.
LAZY = {"PIP_NO_COMPILE": "1"}


def run_suite(session: nox.Session, django: str, kombu: str, boto3: str) -> None:
    """Install the package with these versions and run the tests that could tell them apart.

    Arguments are pytest's: ``nox -- tests`` runs all.
    """
    versions = (f"Django~={django}", f"kombu~={kombu}", f"boto3{boto3}")
    session.install("--editable", ".[dev]", *versions, env=LAZY)
    jobs = os.environ.get("JOBS", "4")
    half = HALVES[kombu == OLDEST_KOMBU] if os.environ.get("HALVES") else []
    # Its own memory of what failed: others may run beside it.
    tests = ("python", "-m", "pytest", "-o", f"cache_dir=.pytest_cache/{session.name}")
    try:
        session.run(*tests, "-n", jobs, *(session.posargs or [*CHOICE, *half]))
    except CommandFailed:
        # As .ci/run does it: named above, and run again with nothing beside it.
        session.run(*tests, "--last-failed", "--last-failed-no-failures=none")


for _python, _django, _kombu, _boto3, _tags in MATRIX:
    nox.session(
        functools.partial(run_suite, django=_django, kombu=_kombu, boto3=_boto3),
        python=_python,
        name=f"tests-python{_python}-django{_django}-kombu{_kombu}",
        tags=_tags,
    )


def use(session: nox.Session, pattern: str) -> None:
    """Install what `make build` made into a clean environment; use it."""
    [file] = Path("dist").resolve().glob(pattern)
    # pip keeps the wheel of a source distribution by its address; with the digest, by its content.
    address = f"{file.as_uri()}#sha256={hashlib.sha256(file.read_bytes()).hexdigest()}"
    session.cd(session.create_tmp())
    bare, walked = session.python in BARE, session.python == WALKED
    for shape in [""] * bare + ["[django]"] * (not walked):
        session.install(f"django-sqs{shape} @ {address}", env=LAZY)
        session.run("python", "-m", "pip", "check")
        session.run("python", "-I", str(SMOKE), *(["--without-django"] if not shape else []))
    if walked:
        session.run("python", str(WALK), str(file), env=LAZY)


@nox.session(python=["3.10", "3.11", "3.12", "3.13", "3.14"], reuse_venv=False, tags=["release"])
def wheel(session: nox.Session) -> None:
    """Use the wheel, as pip installs it."""
    use(session, "*.whl")


@nox.session(python=["3.10"], reuse_venv=False, tags=["release"])
def sdist(session: nox.Session) -> None:
    """Use the source distribution: the wheel that is built of it is the same on each Python."""
    [file] = Path("dist").glob("*.tar.gz")
    with tarfile.open(file) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in IN_SDIST:
        if name not in names:
            session.error(f"{file} lacks {name}: see MANIFEST.in")
    use(session, "*.tar.gz")
