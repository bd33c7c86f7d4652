"""Commands that code calls by call_command(), with keywords, which Django does not read."""

import io

import pytest
from django.core.management import CommandError, call_command

import django_sqs

from ..commands import run


@pytest.fixture
def plain(sqs):
    django_sqs.send("plain", body="x")


@pytest.mark.parametrize(
    ("command", "keywords", "said"),
    [
        ("sqs_status", {"format": "xml"}, "argument --format: invalid choice: 'xml'"),
        ("sqs_prune_inbox", {"days": "ten"}, "argument --days: invalid float value: 'ten'"),
        ("sqs_prune_inbox", {"days": "-1"}, "--days must be from 0"),
        ("runreceiver", {"processes": 0}, "argument --processes: must be 1 or more, not 0"),
        ("runreceiver", {"threads": "x"}, "argument --threads: invalid number value: 'x'"),
        ("runreceiver", {"http": "host:x"}, "argument --http: must be HOST:PORT"),
        ("runreceiver", {"http": 8000.5}, "argument --http: must be HOST:PORT"),
        ("sqs_policy", {"account": 12}, "argument --account: must be the 12 digits"),
        ("sqs_bury", {"limit": float("inf")}, "argument --limit: invalid int value: inf"),
        ("sqs_local", {"port": "x"}, "argument --port: invalid int value: 'x'"),
    ],
)
def test_a_keyword_that_could_not_stand_on_the_command_line_is_refused_in_its_words(
    command, keywords, said
):
    with pytest.raises(CommandError, match=said):
        call_command(command, stdout=io.StringIO(), **keywords)


def test_a_text_given_to_a_flag_is_refused_and_not_taken_for_yes(plain):
    with pytest.raises(CommandError, match="argument --json: takes no value but True or False"):
        call_command("sqs_send", "plain", json='{"n": 3}')


@pytest.mark.django_db
def test_days_may_be_a_text_as_settings_from_the_environment_are():
    out = io.StringIO()

    call_command("sqs_prune_inbox", days="15", stdout=out)

    assert "Deleted 0" in out.getvalue()


@pytest.mark.parametrize("length", ["1h", 3600])
def test_a_pause_takes_its_length_as_a_text_or_in_seconds(plain, length):
    call_command("sqs_pause", "plain", stdout=io.StringIO(), **{"for": length})

    assert django_sqs.queues["plain"].paused().until is not None
    assert "resumed" in run("sqs_resume", "plain")


def test_a_number_is_read_as_its_text_where_text_is_read(plain):
    out = io.StringIO()

    call_command("sqs_policy", "plain", account=123456789012, stdout=out)

    assert ":123456789012:" in out.getvalue()
