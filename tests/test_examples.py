"""The examples, run as their users run them."""

import os
import re
import signal
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from .processes import ROOT, Process

BLOCK = "    "

# They install packages and run whole projects.
pytestmark = pytest.mark.slow


def run(command, timeout=300, **kwargs):
    return subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        **kwargs,
    )


@pytest.fixture(scope="session")
def python_without_django(tmp_path_factory):
    """A virtual environment with the Django-free half, installed as the README says."""
    folder = tmp_path_factory.mktemp("without-django")
    venv.create(folder)
    python = folder / "bin" / "python"
    # This environment's pip; what it installs need not be compiled.
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-compile"]
    installed = run([*pip, ROOT])
    assert installed.returncode == 0, installed.stdout
    return python


def test_standalone_consumer_runs_without_django(python_without_django, server, tmp_path):
    script = ROOT / "examples" / "standalone.py"
    address = server.url.removeprefix("http://")
    env = {**os.environ, "SQS_URL": f"sqs-batch://testing:testing@{address}"}

    done = run([python_without_django, script], env=env, cwd=tmp_path, timeout=60)

    assert done.returncode == 0, done.stdout
    for number in (1, 2, 3):
        assert done.stdout.count(f"INFO:root:received order {number}\n") == 1
    assert "is to be restarted later" in done.stdout
    assert len(script.read_text().splitlines()) <= 30
    django = run([python_without_django, "-c", "import django"], cwd=tmp_path)
    assert "ModuleNotFoundError" in django.stdout
    needing = run([python_without_django, "-c", "from django_sqs import receiver"], cwd=tmp_path)
    assert "pip install 'django-sqs[django]'" in needing.stdout.splitlines()[-1]


def test_celery_app_runs_tasks_and_receivers(server, prefix, eventually, tmp_path):
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "examples")]),
        "SQS_URL": f"sqs://testing:testing@{server.url.removeprefix('http://')}",
        "SQS_PREFIX": prefix,
        "SQS_LOCAL": "1",
    }
    command = [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "-P", "threads"]
    worker = Process([*command, "-l", "INFO"], env)
    try:
        eventually(lambda: " ready." in worker.output, timeout=40)
        sent = run([sys.executable, ROOT / "examples" / "celery_app.py"], env=env, timeout=60)
        assert sent.returncode == 0, sent.stdout
        for text in (
            "the task greets a task's caller",
            "the receiver got order 1",
            "the task greets a visitor",
            "the task greets a late caller",
        ):
            eventually(lambda text=text: text in worker.output, timeout=30)
        worker.signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    finally:
        worker.end()


@pytest.fixture
def demo(tmp_path):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    env.pop("DJANGO_SETTINGS_MODULE", None)
    demo = Process([sys.executable, "-m", "django_sqs.demo"], env, tmp_path)
    yield demo
    demo.end()


def test_demo_ends_by_itself_and_shows_every_outcome(demo, tmp_path):
    assert demo.wait(120) == 0, demo.output
    for text in (
        "greetings received 'Hello, żółw!'",
        "a mapping: tea costs 3",
        "that any language can send: '<note>plain</note>'",
        "the row 1 of the database: two pounds of tea",
        "RestartLater(delay=2)",
        "the payment again, and now the bank is open",
        "Traceback (most recent call last)",
        "ValueError: this receiver always fails",
        "Active SQS queues",
        "The receivers have stopped.",
    ):
        assert text in demo.output
    assert not list(tmp_path.iterdir())


def test_demo_that_is_ended_leaves_no_worker(demo, eventually):
    eventually(lambda: "Starting the receivers" in demo.output)
    worker = eventually(lambda: children(demo.pid))[0]

    demo.signal(signal.SIGHUP)

    assert demo.wait(30) == 128 + signal.SIGHUP
    assert not Path(f"/proc/{worker}").exists()


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT"])
def test_a_signal_amid_the_start_of_its_worker_leaves_none(tmp_path, name):
    code = f"""
import os, runpy, signal, subprocess, time

class Popen(subprocess.Popen):
    def _execute_child(self, args, *others):
        super()._execute_child(args, *others)
        if "runreceiver" in args:
            print("worker", self.pid, flush=True)
            os.kill(os.getpid(), signal.{name})
            time.sleep(0.1)

subprocess.Popen = Popen
runpy.run_module("django_sqs.demo", run_name="__main__")
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    env.pop("DJANGO_SETTINGS_MODULE", None)

    demo = Process([sys.executable, "-c", code], env, tmp_path)

    assert demo.wait(60) in (128 + signal.SIGHUP, -signal.SIGINT), demo.output
    [worker] = map(int, re.findall(r"worker (\d+)", demo.output))
    left = Path(f"/proc/{worker}").exists()
    if left:
        os.kill(worker, signal.SIGTERM)
    assert not left


def children(pid):
    """The processes that it has started."""
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_demo_says_what_it_needs(tmp_path):
    code = "import sys; sys.modules['moto'] = None; sys.argv[1:] = []; import runpy; "
    code += "runpy.run_module('django_sqs.demo', run_name='__main__')"

    done = run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)})

    assert done.returncode == 2
    assert done.stdout.strip() == "The demo needs: pip install 'django-sqs[local]>=2'"


def test_makefile_passes_keep_to_the_demo(tmp_path):
    shown = run(["make", "--dry-run", "demo", "KEEP=1"], cwd=ROOT)

    assert "-m django_sqs.demo --keep" in shown.stdout


def readme_blocks(language):
    """The README's code blocks of *language*, in their order."""
    blocks, lines = [], iter((ROOT / "README.rst").read_text().splitlines())
    for line in lines:
        if line == f".. code-block:: {language}":
            block = []
            for inner in lines:
                if inner and not inner.startswith(BLOCK):
                    break
                block.append(inner.removeprefix(BLOCK))
            blocks.append("\n".join(block).strip() + "\n")
    return blocks


def test_readme_opens_with_the_two_commands():
    assert [block.strip() for block in readme_blocks("shell")[:2]] == ["make demo", "make test"]


@pytest.fixture
def new_site(server, prefix, tmp_path):
    """A new django-admin project to which the README was applied."""
    settings, receivers, _, _ = readme_blocks("python")[:4]
    made = run([sys.executable, "-m", "django", "startproject", "mysite", tmp_path])
    assert made.returncode == 0, made.stdout
    app = run([sys.executable, "manage.py", "startapp", "hello"], cwd=tmp_path)
    assert app.returncode == 0, app.stdout
    with (tmp_path / "mysite" / "settings.py").open("a") as file:
        file.write(settings)
        file.write('INSTALLED_APPS += ["hello"]\n')
        file.write(f'SQS_ENDPOINT_URL = "{server.url}"\n')
        # The README's prefix, made unique for this test.
        file.write(f'SQS_QUEUE_PREFIX += "-{prefix}"\n')
    (tmp_path / "hello" / "receivers.py").write_text(receivers)
    return tmp_path


def test_readme_in_a_new_site(new_site, prefix, server, eventually):
    send = readme_blocks("python")[2]
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    env.pop("DJANGO_SETTINGS_MODULE", None)
    manage = [sys.executable, "manage.py"]
    checked = run([*manage, "check"], cwd=new_site, env=env)
    assert checked.returncode == 0, checked.stdout
    migrated = run([*manage, "migrate"], cwd=new_site, env=env)
    assert migrated.returncode == 0, migrated.stdout
    with (new_site / "out").open("w") as out:
        worker = subprocess.Popen(
            [*manage, "runreceiver"], cwd=new_site, env=env, stdout=out, stderr=out
        )
    try:
        sent = run([*manage, "shell", "-c", send], cwd=new_site, env=env)
        assert sent.returncode == 0, sent.stdout
        log = Path(new_site / "out")
        eventually(lambda: "received: Lorem ipsum dolor sit amet" in log.read_text(), timeout=30)
        for command in (
            ["sqs_status"],
            ["sqs_status", "--format=json"],
            ["sqs_wait", "--wait-time=0.1", "--timeout=10", "greetings"],
            ["sqs_clear", "--no-input"],
        ):
            done = run([*manage, *command], cwd=new_site, env=env)
            assert done.returncode == 0, done.stdout
    finally:
        worker.terminate()
        # The poll of its idle queue ends by itself, within 20 s.
        assert worker.wait(40) == 0


def test_readme_without_django(python_without_django, server, tmp_path):
    script = readme_blocks("python")[3]
    address = server.url.removeprefix("http://")
    script = script.replace('"sqs-batch://"', f'"sqs-batch://a:b@{address}"')
    script = script.replace("threads=2)", "threads=2, message_limit=1)")
    file = tmp_path / "script.py"
    file.write_text(script.replace('prefix="example"', f'prefix="{tmp_path.name}"'))

    done = run([python_without_django, file], timeout=60)

    assert done.returncode == 0, done.stdout
    assert "received order 1" in done.stdout


def test_readme_without_django_ends_by_ctrl_c(server, prefix, counts, eventually, tmp_path):
    script = readme_blocks("python")[3]
    for old, new in {
        '"sqs-batch://"': f'"sqs-batch://testing:testing@{server.url.removeprefix("http://")}"',
        'prefix="example"': f'prefix="{prefix}"',
        'receivers.send("orders", body={"number": 1})': (
            'receivers.send_many("orders", [{"number": n} for n in range(40)])'
        ),
        "order(message):": "order(message):\n    __import__('time').sleep(0.5)",
        'message["number"])': 'message["number"], flush=True)',
    }.items():
        assert old in script
        script = script.replace(old, new)
    file = tmp_path / "script.py"
    file.write_text(script)
    consumer = Process([sys.executable, str(file)], {**os.environ, "PYTHONPATH": str(ROOT)})
    eventually(lambda: consumer.output.count("received order") >= 6, timeout=30)

    consumer.signal(signal.SIGINT)

    assert consumer.wait(60) == 0, consumer.output
    assert "Traceback" not in consumer.output
    done = consumer.output.count("received order")
    assert counts(f"{prefix}__orders")[:2] == (40 - done, 0)


def test_readme_names_every_option_of_the_commands():
    from django.core.management import load_command_class

    readme = (ROOT / "README.rst").read_text()
    own = {
        option
        for name in ("runreceiver", "sqs_status", "sqs_clear", "sqs_wait", "sqs_policy")
        for action in load_command_class("django_sqs", name)
        .create_parser("manage.py", name)
        ._actions
        for option in action.option_strings
        if option.startswith("--")
    }
    django = {
        option
        for action in load_command_class("django.core", "check").create_parser("m", "c")._actions
        for option in action.option_strings
    }
    missing = {o for o in own - django - {"--noinput", "--skip-checks"} if o not in readme}

    assert not missing


def test_readme_has_every_setting():
    from django_sqs.conf import SETTINGS

    readme = (ROOT / "README.rst").read_text()

    assert not [name for name in SETTINGS if f"``{name}``" not in readme]
