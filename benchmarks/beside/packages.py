"""Packages: what a project needs beside Django, installed into an environment of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from ..about import about
from ..servers import HERE, environment

#: Where the environments are, one for each project.
FOLDER = HERE / ".beside"
ROOT = HERE.parent
#: What the site has itself; dj-queue needs Django 6, and that Python 3.12.
SITE = ("Django>=6.0", "psycopg[binary]")
PYTHON = (3, 12)
#: The packages whose versions are told.
TOLD = (
    *("celery", "kombu", "flower", "django_celery_results"),
    *("dj-queue", "django-sqs", "boto3", "pycurl"),
)


def python_of(project):
    """The Python of an environment that has what *project* needs."""
    return environment(FOLDER / project.name, *SITE, *_installed(project), python=new_enough())


def added(project):
    """The packages that *project* adds to those of the site, with their versions."""
    alone = environment(FOLDER / "site", *SITE, python=new_enough())
    have = listed(alone)
    return {name: number for name, number in listed(python_of(project)).items() if name not in have}


def listed(python):
    """What is installed beside pip, by name."""
    done = subprocess.run(
        [python, "-I", "-m", "pip", "list", "--format=json", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = {each["name"]: each["version"] for each in json.loads(done.stdout)}
    return {name: number for name, number in found.items() if name not in ("pip", "setuptools")}


def made_with(projects):
    """With what the projects were run, for :func:`benchmarks.made.made_with`.

    :param projects: what was measured of each, by name.
    """
    site = listed(environment(FOLDER / "site", *SITE, python=new_enough()))
    told = {"Django": site["Django"]}
    for figures in projects.values():
        told |= {name: figures["packages"][name] for name in TOLD if name in figures["packages"]}
    ask = "import platform; print(platform.python_version())"
    done = subprocess.run([new_enough(), "-c", ask], capture_output=True, text=True, check=True)
    return {**about(()), "python": done.stdout.strip(), "versions": told}


def new_enough():
    """A Python that Django 6 runs on: this one, or another that is installed.

    :raises RuntimeError: there is none.
    """
    if sys.version_info >= PYTHON:
        return sys.executable
    pyenv = sorted(Path.home().glob(".pyenv/versions/3.1[2-9].*/bin/python"))
    for found in (shutil.which("python3.13"), shutil.which("python3.12"), *pyenv):
        if found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0:
            return str(found)
    raise RuntimeError("dj-queue and Django 6 need Python 3.12 or newer, and there is none here.")


def _installed(project):
    """Its requirements; this library itself is that of this checkout."""
    return [
        name.replace("django-sqs", str(ROOT), 1) if name.startswith("django-sqs") else name
        for name in project.requirements()
    ]
