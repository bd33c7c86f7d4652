"""The matrix: every supported Python with every Django it can run, and the oldest kombu.

A Python that is not on PATH is skipped with a message.
"""

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True

# (Python, Django, kombu): the corners, since each costs a whole run of the suite.
MATRIX = [
    ("3.10", "5.2.0", "5.6.0"),
    ("3.12", "6.0.0", "5.7.0"),
    ("3.13", "6.1.0", "5.7.0"),
]


for python, django, kombu in MATRIX:

    @nox.session(python=python, name=f"tests-py{python}-django{django}-kombu{kombu}")
    def tests(session: nox.Session, django: str = django, kombu: str = kombu) -> None:
        """Run the suite."""
        session.install(
            "--editable",
            ".[local]",
            f"Django~={django}",
            f"kombu~={kombu}",
            "hypothesis",
            "pytest",
            "pytest-django",
            "pytest-xdist",
        )
        session.run("python", "-m", "pytest", "-n", "4", *session.posargs)
