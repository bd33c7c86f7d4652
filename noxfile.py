"""The matrix: every supported Python with every Django it can run, oldest and newest parts.

A Python that is not on PATH is skipped with a message.
"""

import functools
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True

SMOKE = Path(__file__).parent / "tests" / "release_smoke.py"

# The oldest and the newest that pyproject.toml admits; "" is the newest there is.
OLDEST_BOTO3, NEWEST = "~=1.34.131", ""

# Of each series the newest patch: older ones have known faults, SQL injections among them.
# (Python, Django, kombu, boto3, tags). CI runs the corners, since each costs a whole run of
# the suite; `make test` runs the Python that is the default.
MATRIX = [
    ("3.10", "5.2.0", "5.6.0", OLDEST_BOTO3, ["corner"]),
    ("3.12", "6.0.0", "5.7.0", NEWEST, []),
    ("3.13", "6.1.0", "5.7.0", NEWEST, ["corner"]),
]


def run_suite(session: nox.Session, django: str, kombu: str, boto3: str) -> None:
    """Install the package with these versions and run its tests."""
    versions = (f"Django~={django}", f"kombu~={kombu}", f"boto3{boto3}")
    session.install("--editable", ".[dev]", *versions)
    # What depends on none of these versions `make test` has run.
    options = session.posargs or ["--ignore=tests/faults", "-m", "not slow"]
    tests = ("python", "-m", "pytest", "-n", "4", *options)
    try:
        session.run(*tests)
    except CommandFailed:
        # Some tests watch the clock, and machines have bad moments. What fails again, with
        # nothing beside it, is broken.
        session.run(*tests[:3], "--last-failed", "--last-failed-no-failures=none")


for _python, _django, _kombu, _boto3, _tags in MATRIX:
    nox.session(
        functools.partial(run_suite, django=_django, kombu=_kombu, boto3=_boto3),
        python=_python,
        name=f"tests-django{_django}-kombu{_kombu}",
        tags=_tags,
    )


@nox.session(python=["3.10", "3.11", "3.12", "3.13"], reuse_venv=False, tags=["release"])
@nox.parametrize("package", ["wheel", "sdist"])
def release(session: nox.Session, package: str) -> None:
    """Install what `make build` made into a clean environment, and use it."""
    [file] = Path("dist").glob("*.whl" if package == "wheel" else "*.tar.gz")
    session.install(str(file))
    session.cd(session.create_tmp())
    session.run("python", "-I", str(SMOKE))
