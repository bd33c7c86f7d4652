"""What type checkers tell users of the public API; the run time knows the same words."""

import inspect
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import fields
from pathlib import Path

import pytest

import django_sqs
from django_sqs import keywords as project_keywords
from django_sqs.registered_queue import DjangoQueue
from django_sqs_kombu import ConfigurationError, RawMessage, Receivers
from django_sqs_kombu.registration import (
    MessageKeywords,
    Outgoing,
    QueueKeywords,
    QueueOptions,
    RegisteredQueue,
    RegisterKeywords,
    SendKeywords,
    SendManyKeywords,
)

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROGRAMS = [HERE / "project.py", HERE / "program.py"]


def expected():
    """What is to be told of each line that is wrong."""
    found = {}
    for file in PROGRAMS:
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if word := re.search(r"# E: (\w+)", line):
                found[file.name, number] = word[1]
    return found


def assert_expected(told):
    assert set(told) == set(expected()), dict(told)


def by_line(output, pattern):
    told = defaultdict(list)
    for line in output.splitlines():
        if found := re.search(pattern, line):
            told[Path(found["file"]).name, int(found["line"])].append(line)
    return told


@pytest.mark.slow
def test_mypy_finds_what_is_wrong_in_a_users_code_and_nothing_else():
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", HERE / "mypy.ini", *PROGRAMS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 1, done.stdout + done.stderr
    told = by_line(done.stdout, r"^(?P<file>[^:]+):(?P<line>\d+): error")
    assert_expected(told)
    unnamed = {place for place, word in expected().items() if word not in "".join(told[place])}
    assert not unnamed, dict(told)


@pytest.mark.slow
def test_pyright_finds_the_same():
    pyright = shutil.which("pyright") or shutil.which("basedpyright")
    if pyright is None:
        pytest.skip("pyright is not installed: pip install basedpyright")
    done = subprocess.run(
        [pyright, "--level", "error", "--pythonpath", sys.executable, *PROGRAMS],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert_expected(by_line(done.stdout, r"(?P<file>[^ :]+):(?P<line>\d+):\d+ - error"))


def names(keywords):
    return set(keywords.__annotations__)


def parameters(function):
    found = inspect.signature(function).parameters.values()
    return {each.name for each in found if each.kind is each.KEYWORD_ONLY}


def test_each_option_of_a_queue_is_declared_once_for_types_and_once_for_its_default():
    chosen = {each.name: each.type for each in fields(QueueOptions) if each.init}
    declared = {name: each.__forward_arg__ for name, each in QueueKeywords.__annotations__.items()}

    assert names(QueueKeywords) == set(chosen) - {"name", "receiver", "_"}
    assert {name: chosen[name] for name in declared} == declared
    assert names(RegisterKeywords) - names(QueueKeywords) == {"celery_task"}


def test_what_a_send_takes_is_declared():
    taken = parameters(RegisteredQueue._make)

    assert names(SendKeywords) - names(MessageKeywords) == taken
    assert taken <= parameters(Outgoing.to)
    assert names(SendManyKeywords) == {"delay", "expires", "group_id", "parallel", "progress"}


def test_what_a_project_adds_is_declared():
    own = parameters(DjangoQueue.__init__) - {"receivers"}
    committed = {"on_commit", "outbox", "using"}

    assert names(project_keywords.QueueKeywords) == own | names(QueueKeywords)
    assert names(project_keywords.RegisterKeywords) == own | names(RegisterKeywords)
    assert names(project_keywords.SendKeywords) == committed | names(SendKeywords) | {"instance"}
    assert parameters(DjangoQueue.send) == parameters(DjangoQueue.send_many) == committed
    assert names(project_keywords.SendManyKeywords) == committed | names(SendManyKeywords)


def send(queue="plain", **options):
    django_sqs.send(queue, **options)


def send_many(**options):
    django_sqs.send_many("plain", ["x"], **options)


def register(**options):
    django_sqs.register("typing-2", print, **options)


def receive(**options):
    django_sqs.receiver("typing-2", **options)(print)


@pytest.mark.parametrize(
    ("call", "options", "says"),
    [
        (send, {"body": "x", "dealy": 5}, "send() has no option 'dealy'; did you mean 'delay'?"),
        (send, {"message": RawMessage(body="x"), "on_comit": True}, "did you mean 'on_commit'?"),
        (send, {"boddy": "x"}, "no option 'boddy'; did you mean 'body'?"),
        (send, {"body": "x", "outbox": True, "dealy": 5}, "did you mean 'delay'?"),
        (send, {"queue": "rows", "body": "x"}, "no option 'body'; its options are"),
        (send, {"queue": "rows", "instanze": None}, "did you mean 'instance'?"),
        (
            send_many,
            {"paralel": 3},
            "send_many() has no option 'paralel'; did you mean",
        ),
        (send_many, {"outbox": True, "dellay": 3}, "did you mean 'delay'?"),
        (
            register,
            {"delay": 5},
            "Queue 'typing-2' has no option 'delay': it is an option of send()",
        ),
        (register, {"kms_keyy": "a"}, "Queue 'typing-2' has no option 'kms_keyy'; did you mean"),
        (register, {"databasses": ["a"]}, "did you mean 'databases'?"),
        (register, {"celery_tsk": "a"}, "did you mean 'celery_task'?"),
        (register, {"xyzzy": 1}, "no option 'xyzzy'; its options are"),
        (receive, {"onse": True}, "did you mean 'once'?"),
    ],
)
def test_a_wrong_word_is_told_with_the_one_that_is_meant(call, options, says):
    with pytest.raises(ConfigurationError) as raised:
        call(**options)

    assert says in str(raised.value)
    assert "typing-2" not in django_sqs.queues


@pytest.mark.parametrize("option", ["on_commit", "instance", "outbox"])
def test_without_django_there_are_no_words_of_django(option):
    registry = Receivers("sqs-batch://a:b@")
    registry.register("orders")

    with pytest.raises(ConfigurationError, match=f"'orders': send.. has no option '{option}'"):
        registry.send("orders", body="x", **{option: True})


class Parcel(RawMessage):
    def __init__(self, queue=None, *, number=0):
        super().__init__(queue, str(number))


class Anything(RawMessage):
    def __init__(self, queue=None, **values):
        super().__init__(queue, ",".join(values))


def test_a_message_class_may_have_arguments_of_its_own():
    registry = Receivers("sqs-batch://a:b@")
    parcels = registry.register("parcels", message_class=Parcel, wire_format="raw")
    anything = registry.register("anything", message_class=Anything, wire_format="raw")

    assert parcels.encode(number=7)[0] == "7"
    assert anything.encode(dealy=7)[0] == "dealy"
    with pytest.raises(ConfigurationError, match="'numbre'; did you mean 'number'"):
        parcels.encode(numbre=7)
    with pytest.raises(ConfigurationError, match="has no option 'body'"):
        parcels.encode(body=7)
