"""The pages of errors, log records and checks: all that the code says is there, with a remedy."""

import logging
import re
import sys

import pytest
from django.test import override_settings

import django_sqs
from django_sqs import checks
from django_sqs.registry import Receivers
from django_sqs_kombu import exceptions
from django_sqs_kombu.transport.sqs import failures

from .test_structure import FILES, ROOT

sys.path.append(str(ROOT / "docs"))
from extensions import messages
from extensions.texts import HOLE, INTERNAL, Text, check_ids, error_classes, texts

#: A call that writes to the log at a level at which somebody should look.
LOGGED = re.compile(r"\blogger\.(?:warning|error|exception|critical)\(")


@pytest.fixture(scope="module")
def errors():
    return messages.errors_page()


@pytest.fixture(scope="module")
def log():
    return messages.log_page()


def section(page, name):
    """What a page says under a heading."""
    found = re.search(rf"^{name}\n-+\n\n(.*?)(?=^\S+\n-+\n|\Z)", page, re.M | re.S)
    assert found, f"there is no section {name}"
    return found[1]


def is_there(page, said):
    """Whether one of the texts of a page, with anything for what is put in, is what was said."""
    texts = re.findall(r"^(?:- |\| )``(.+?)``", page, re.M)
    return any(
        # The queue may stand before it.
        re.search(".*".join(map(re.escape, text.split(HOLE))) + "$", " ".join(said.split()))
        for text in texts
        # What is nearly all hole would fit anything.
        if len(text.replace(HOLE, "")) > 12
    )


def test_every_class_of_errors_has_its_section(errors):
    public = {name for name in vars(exceptions) if name in error_classes()} - INTERNAL

    assert len(public) > 30
    for name in public:
        section(errors, name)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.UnknownQueue("orders", ("mail",)),
        exceptions.NoReceiver("orders"),
        exceptions.QueueNameError("a b", "it has a blank"),
        exceptions.MessageTooLarge("orders", 2_000_000, 1_048_576),
        exceptions.KilledItsProcess(3),
        exceptions.SendManyFailed("orders", 3, [], None),
        failures.refused("SendMessage", "orders", "AccessDenied", "no"),
        failures.refused("SendMessage", "orders", "AWS.SimpleQueueService.NonExistentQueue", ""),
        failures.refused("SendMessage", "orders", "ExpiredToken", "it is over"),
        failures.no_answer("SendMessage", "orders", "it is a page"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_an_error_says_is_found_in_the_section_of_its_class(errors, error):
    assert is_there(section(errors, type(error).__name__), str(error))


@pytest.mark.parametrize(
    "register",
    [
        lambda receivers: receivers.register("orders", batch=0, on_error="bisect"),
        lambda receivers: receivers.register("orders", dealy=3),
        lambda receivers: receivers.register("orders", tenant=len, key=len),
        lambda receivers: receivers.register("orders", len, every=3, cron="* * * * *"),
    ],
)
def test_a_wrong_registration_is_found(errors, register):
    with pytest.raises(exceptions.ConfigurationError) as raised:
        register(Receivers())

    said = str(raised.value)
    # What an option must be is said by its rule; which option it is, by the text.
    assert is_there(section(errors, "ConfigurationError"), said) or " must be " in said


def test_what_is_sent_to_a_queue_without_a_name_is_found(errors):
    with pytest.raises(exceptions.UnknownQueue) as raised:
        django_sqs.send("never-registered", body="a")

    assert is_there(section(errors, "UnknownQueue"), str(raised.value))


def test_every_call_that_warns_is_among_the_texts():
    read = {file.relative_to(ROOT).as_posix(): file.read_text() for file in FILES}
    calls = {file: len(LOGGED.findall(text)) for file, text in read.items()}
    found = dict.fromkeys(read, 0)
    for text in texts():
        # What the table of outcomes and the like say is written by one call.
        if text.kind == "log" and text.function != "TABLE":
            found[text.file] += 1

    assert sum(calls.values()) > 100
    assert not {file: count for file, count in calls.items() if found[file] < count}


def test_what_a_worker_logs_of_a_message_is_found(log):
    for says in ("cannot be decoded", "made its receiver fail", "took its receiver too long"):
        assert is_there(log, f"Message 7 of queue orders (receive 1) {says}; body 'a'")


def test_every_check_has_its_section():
    page = messages.checks_page()

    assert len(check_ids()) > 20
    for number in check_ids():
        assert section(page, re.escape(number)).strip()


@override_settings(DEBUG=True, SQS_QUEUE_PREFIX="", SQS_POLLPERIOD=3, AWS_SECRET_ACCESS_KEY=None)
def test_what_a_check_says_is_found_under_its_id():
    page = messages.checks_page()

    found = {warning.id: warning.msg for warning in checks.check_settings(None)}

    assert found.keys() == {"django_sqs.E001", "django_sqs.W010", "django_sqs.W011"}
    for number, said in found.items():
        text = section(page, re.escape(number))
        # The texts of these two are short.
        assert is_there(text, said) or said.split(" is ")[-1] in text


@pytest.mark.parametrize("page", ["errors_page", "log_page", "checks_page"])
def test_no_remedy_is_for_what_is_gone(monkeypatch, page):
    getattr(messages, page)()
    known = messages.remedies

    def with_one_more(name):
        found, sections = known(name)
        return {**found, "django_sqs/gone.py": "It was."}, {**sections, "django_sqs/gone.py": ""}

    monkeypatch.setattr(messages, "remedies", with_one_more)
    with pytest.raises(messages.StaleRemedy, match=r"has django_sqs/gone\.py, of which"):
        getattr(messages, page)()


@pytest.mark.parametrize("name", ["troubleshooting.rst", "howto/operating.rst"])
def test_what_pages_quote_of_the_log_is_what_it_says(log, name):
    page = (ROOT / "docs" / name).read_text()

    quoted = re.findall(r'^(?:- \*\*)?"([^"]+)"', page, re.M)
    assert quoted
    for text in quoted:
        assert text in log


def test_a_new_record_or_class_without_a_remedy_is_told(monkeypatch):
    new = Text("log", "error", "The roof is on fire", "django_sqs/roof.py", "look")
    monkeypatch.setattr(messages, "texts", lambda: [*texts(), new])
    with pytest.raises(messages.MissingRemedy, match=r"django_sqs/roof.py:look: The roof is on"):
        messages.log_page()

    new = Text("error", "RoofError", "It burns", "django_sqs/roof.py", "look")
    with pytest.raises(messages.MissingRemedy, match="nothing of RoofError"):
        messages.errors_page()


def test_the_most_exact_place_counts():
    keys = ["django_sqs/a.py", "django_sqs/a.py:B", "django_sqs/a.py:B.c", "django_sqs/wire"]

    def key(file, function):
        return messages.key_of(Text("log", "error", "", file, function), keys)

    assert key("django_sqs/a.py", "B.c") == "django_sqs/a.py:B.c"
    assert key("django_sqs/a.py", "B.d") == "django_sqs/a.py:B"
    assert key("django_sqs/a.py", "Bc") == "django_sqs/a.py"
    assert key("django_sqs/wire/b.py", "c") == "django_sqs/wire"
    assert key("django_sqs/wires.py", "c") is None
    assert logging.getLevelName(logging.WARNING).lower() in messages.LEVEL_NAMES
