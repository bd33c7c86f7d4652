"""A worker that is told to stop before it has started."""

import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.processes import Process
from tests.project import MANAGE

pytestmark = pytest.mark.usefixtures("site")

#: An app whose models, or whose receivers, take long to import.
SLOW = """
import time
print("starting", flush=True)
time.sleep(float({seconds}))
"""
SETTINGS = """
from tests.site.settings import *
INSTALLED_APPS = [*INSTALLED_APPS, "slowly"]
"""


def start(project, tmp_path, module, *, seconds, before=(), command=("runreceiver", "plain")):
    """A worker of whose project the *module* of an app takes so many seconds to import."""
    app = tmp_path / "slowly"
    app.mkdir()
    (app / "__init__.py").write_text("")
    (app / f"{module}.py").write_text(SLOW.format(seconds=seconds))
    (tmp_path / "slow_settings.py").write_text(SETTINGS)
    env = {
        **project.env,
        "DJANGO_SETTINGS_MODULE": "slow_settings",
        "PYTHONPATH": f"{tmp_path}:{project.env.get('PYTHONPATH', '')}",
    }
    process = Process([*before, sys.executable, str(MANAGE), *command], env)
    project.add(process)
    return process


@pytest.mark.parametrize("module", ["models", "receivers"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR2])
def test_a_stop_while_it_starts_ends_it_as_any_stop(project, eventually, tmp_path, module, number):
    process = start(project, tmp_path, module, seconds=30)
    eventually(lambda: "starting" in process.output)

    process.signal(number)

    assert process.wait(10) == 0
    assert "Traceback" not in process.output


@pytest.mark.parametrize(
    ("command", "code"),
    [(["sqs_relay"], 0), (["sqs_relay", "--once"], -15), (["migrate"], -15)],
    ids=["relay", "once", "another"],
)
def test_so_does_a_relay_but_what_is_to_be_done_once_is_broken_off(
    project, eventually, tmp_path, command, code
):
    process = start(project, tmp_path, "models", seconds=30, command=command)
    eventually(lambda: "starting" in process.output)

    process.signal(signal.SIGTERM)

    assert process.wait(10) == code


def test_being_woken_while_it_starts_does_not_end_it(project, eventually, tmp_path):
    process = start(project, tmp_path, "models", seconds=1)
    eventually(lambda: "starting" in process.output)

    process.signal(signal.SIGUSR1)

    eventually(lambda: "Receiving from queue plain" in process.output)
    process.signal(signal.SIGTERM)
    assert process.wait() == 0


@pytest.mark.slow
def test_the_first_process_of_a_container_notices_a_stop_while_it_starts(
    project, eventually, tmp_path
):
    in_a_container = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
    if (
        shutil.which("unshare") is None
        or subprocess.run([*in_a_container, "true"], capture_output=True).returncode
    ):
        pytest.skip("unshare of util-linux may make no PID namespace here")
    process = start(project, tmp_path, "models", seconds=30, before=in_a_container)
    eventually(lambda: "starting" in process.output)
    [first] = subprocess.run(
        ["pgrep", "-P", str(process.pid)], capture_output=True, text=True
    ).stdout.split()
    told = time.monotonic()

    subprocess.run(["kill", "-TERM", first], check=True)

    assert process.wait(20) == 0
    assert time.monotonic() - told < 15
