"""What is printed of others' text: on one line, cut, and never an error of its own."""

import traceback

import pytest

from django_sqs_kombu import MessageDecodeError
from django_sqs_kombu.printable import BODY, TEXT, cause, line, quoted


@pytest.mark.parametrize(
    "text", ["a\nb", "a\rb", "a\x1b[2Jb", "a\u2028b", "a\x85b", "a\ud800b", "a\u202eb", "\0"]
)
def test_what_could_forge_a_line_is_escaped(text):
    for printed in (
        line(text),
        quoted(text),
        quoted({text: [text]}),
        str(MessageDecodeError(text)),
    ):
        assert printed.isprintable()
        assert "\\" in printed


def test_what_can_be_read_stays_as_it_is():
    assert line("żółw, 日本 \\ 'x'") == "żółw, 日本 \\ 'x'"


def test_text_is_cut_before_it_is_escaped():
    assert len(line("\U0001ffff" * 1_000_000)) <= TEXT * 10 + 40
    assert len(quoted("\0" * 1_000_000)) <= BODY * 4 + 40
    assert quoted("x" * (BODY + 7)).endswith("' and 7 more characters")
    assert quoted(b"x" * (BODY + 7)).endswith("' and 7 more bytes")


@pytest.mark.parametrize(
    "value",
    [
        {str(n): n for n in range(60_000)},
        [["deep"] * 500] * 500,
        10**4_000,
        10**5_000,
        ["x" * 1_000_000] * 50,
    ],
    ids=["mapping", "lists", "a long number", "a longer one", "long texts"],
)
def test_structures_are_cut(value):
    assert len(quoted(value)) <= BODY + 40


def test_a_value_that_cannot_be_printed_is_named_by_its_type():
    class Broken:
        def __repr__(self):
            raise RuntimeError("no")

    assert "Broken" in quoted(Broken())


class Untrue(Exception):
    def __bool__(self):
        return False


def raised(exc, led_to_by=None):
    try:
        try:
            if led_to_by is not None:
                raise led_to_by
        except type(led_to_by) as first:
            raise exc from first
        raise exc
    except type(exc) as caught:
        return caught


def test_a_harmless_cause_stays_itself():
    exc = raised(ValueError("plain"))

    assert cause(exc) is exc


@pytest.mark.parametrize(
    "exc",
    [
        raised(ValueError("a\nERROR forged")),
        raised(ValueError("x" * 1_000_000)),
        raised(ValueError("plain"), KeyError("a\nERROR forged" * 100_000)),
        raised(ValueError("plain"), Untrue("a\nERROR forged")),
    ],
)
def test_a_harmful_cause_is_told_with_its_traceback(exc):
    text = "".join(traceback.format_exception(cause(exc)))

    assert "in raised" in text
    assert "ValueError" in text
    assert "\nERROR forged" not in text
    assert len(text) < 10_000


def test_an_error_of_ours_is_one_line_whatever_it_is_about():
    assert str(MessageDecodeError("no key\nERROR forged")) == "no key\\nERROR forged"
    assert len(str(MessageDecodeError("x" * 1_000_000))) < TEXT + 40
