"""The matrix: every supported Python with every Django it can run, and the oldest kombu.

A Python that is not on PATH is skipped with a message.
"""

import functools

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True

# (Python, Django, kombu, tags). CI runs the corners, since each costs a whole run of the
# suite; `make test` runs the Python that is the default.
MATRIX = [
    ("3.10", "5.2.0", "5.6.0", ["corner"]),
    ("3.12", "6.0.0", "5.7.0", []),
    ("3.13", "6.1.0", "5.7.0", ["corner"]),
]


def run_suite(session: nox.Session, django: str, kombu: str) -> None:
    """Install the package with these versions and run its tests."""
    session.install("--editable", ".[dev]", f"Django~={django}", f"kombu~={kombu}")
    # What depends on none of these versions `make test` has run.
    options = session.posargs or ["--ignore=tests/faults", "-m", "not slow"]
    session.run("python", "-m", "pytest", "-n", "4", *options)


for _python, _django, _kombu, _tags in MATRIX:
    nox.session(
        functools.partial(run_suite, django=_django, kombu=_kombu),
        python=_python,
        name=f"tests-django{_django}-kombu{_kombu}",
        tags=_tags,
    )
