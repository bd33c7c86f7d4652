"""The documentation as Sphinx makes it, built once for all processes of a test run."""

import fcntl
import os
import subprocess
import sys

from .processes import ROOT


def build_once(folder):
    """Build into *folder*, or wait for the process that does; return where the pages are.

    A build that failed is not tried again: each who asks is told its errors.
    """
    pages, errors = folder / "pages", folder / "errors.txt"
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not errors.exists():
            errors.write_text(_build(pages))
    assert not errors.read_text(), errors.read_text()
    return pages


def _build(pages):
    """Build, and return what was wrong."""
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", pages],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.stderr or "Sphinx says nothing" if done.returncode else ""
