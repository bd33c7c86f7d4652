"""About: with what, on what machine and when something was measured."""

import datetime
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).resolve().parent
#: Prints the versions of another Python, for :func:`about`.
ASK = (
    "import json, sys; from benchmarks.about import versions; "
    "print(json.dumps(versions(sys.argv[1:])))"
)
PACKAGES = ("django-sqs", "boto3", "botocore", "pycurl", "kombu", "celery", "Django")


def about(packages=PACKAGES, python=sys.executable):
    """What is to be known of figures: ready for JSON.

    :param python: the Python of whose packages the versions are.
    """
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        "versions": _versions_of(python, packages),
    }


def versions(packages):
    """The versions of *packages* in this Python, None for those that it has not."""
    return {name: _version(name) for name in packages}


def _versions_of(python, packages):
    if str(python) == sys.executable:
        return versions(packages)
    done = subprocess.run(
        [python, "-c", ASK, *packages], cwd=HERE.parent, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit():
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True
    )
    return done.stdout.strip() or None


def _processor():
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
