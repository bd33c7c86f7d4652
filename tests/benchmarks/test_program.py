"""``python -m benchmarks`` starts as it is, without settings of Django."""

import os
import subprocess
import sys

from ..processes import ROOT


def test_its_help_needs_no_settings():
    env = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--help"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert "client" in done.stdout
