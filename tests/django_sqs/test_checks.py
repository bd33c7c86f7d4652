"""Settings and their system checks."""

import contextlib
import re
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connections, router

import django_sqs
from django_sqs.conf import SETTINGS, conf
from django_sqs.message import BigMessage
from django_sqs.results.models import TaskRecord
from django_sqs_kombu.transport.options import KNOWN

from ..test_structure import OPTIONAL, ROOT
from .checked import problems


class AsyncMask:
    """Asynchronous when it is called, which nobody would await."""

    async def __call__(self, queue, text):
        return text


def test_the_test_project_has_no_problems():
    assert problems() == []


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("AWS_ACCESS_KEY_ID", 5, "must be a string"),
        ("AWS_REGION", 5, "must be a string"),
        ("AWS_REGION", "eu-central-1 ", "must be a region's name"),
        ("SQS_REGION", "Europe (Frankfurt)", "must be a region's name"),
        ("SQS_QUEUE_PREFIX", "two words", "letters, digits"),
        ("SQS_QUEUE_PREFIX", "dotted.prefix", "letters, digits"),
        ("SQS_DEFAULT_VISIBILITY_TIMEOUT", 50_000, "1 to 43,200"),
        ("SQS_DEFAULT_VISIBILITY_TIMEOUT", 0, "1 to 43,200"),
        ("SQS_DEFAULT_VISIBILITY_TIMEOUT", 60.0, "a whole number"),
        ("SQS_DEFAULT_VISIBILITY_TIMEOUT", "60", "a whole number"),
        ("SQS_POLL_PERIOD", 21, "0 to 20"),
        ("SQS_POLL_PERIOD", True, "a whole number"),
        ("SQS_POLL_PERIOD", 0.5, "a whole number"),
        ("SQS_WAIT_TIME", -1, "a number from 0"),
        ("SQS_WAIT_CYCLES", 1.5, "a whole number"),
        ("SQS_ENDPOINT_URL", "localhost:4566", "must be a URL"),
        ("SQS_ENDPOINT_URL", 5, "must be a URL"),
        ("SQS_CREATE_QUEUES", "no", "True or False"),
        ("SQS_WIRE_FORMAT", "xml", "kombu, raw"),
        ("SQS_RESTART_BACKOFF", -1, "a number from 0"),
        ("SQS_RESTART_BACKOFF_MAX", None, "a number from 0"),
        ("SQS_RETRY_ON", "django.db.OperationalError", "a list of exception classes"),
        ("SQS_RETRY_ON", ["no.such.Error"], "a list of exception classes"),
        ("SQS_RETRY_ON", ["OSError"], "OSError doesn't look like a module path"),
        ("SQS_RETRY_ON", [print], "a list of exception classes"),
        ("SQS_MIDDLEWARE", "shop.Tenants", "a list of dotted paths"),
        ("SQS_MIDDLEWARE", ["no.such.Class"], "'no.such.Class' does not"),
        ("SQS_MIDDLEWARE", ["django_sqs.conf.Conf"], "'django_sqs.conf.Conf' does not"),
        ("SQS_MASK", "shop.no.such.mask", "a function or its dotted path"),
        ("SQS_MASK", "django_sqs.conf.such", 'does not define a "such"'),
        ("SQS_MASK", "django_sqs.conf.SETTINGS", "'django_sqs.conf.SETTINGS' is not a function"),
        ("SQS_RETRY_TRIES", -1, "a whole number from 0"),
        ("SQS_RETRY", 5, "must be a dict of the arguments of django_sqs.Retry"),
        ("SQS_RETRY", {"on": ["no.such.Error"]}, "must be a dict of the arguments"),
        ("SQS_RETRY", {"attempts": 3}, "attempts"),
        ("SQS_RETRY", {"tries": -1}, "tries must be a whole number from 0"),
        ("SQS_RETRY", [{"backoff": "x"}], "backoff must be seconds"),
        ("SQS_DISCARD", ["no.such.Error"], "a list of exception classes"),
        ("SQS_DISCARD", ["django.http.Http405"], 'does not define a "Http405"'),
        ("SQS_DEAD_LETTER", "OSError", "a list of exception classes"),
        ("SQS_GRACE_PERIOD", "long", "a number from 0"),
        ("SQS_GRACE_PERIOD", float("inf"), "a number from 0"),
        ("SQS_GRACE_PERIOD", float("nan"), "a number from 0"),
        ("SQS_STATUS_CACHE_TIMEOUT", "long", "a number from 0"),
        ("SQS_MASK", len, "a function of a queue's name and a body"),
        ("SQS_MASK", "django_sqs.conf.Conf", "a function of a queue's name and a body"),
        ("SQS_MASK", AsyncMask(), "that is not asynchronous"),
        ("SQS_LARGE_PAYLOAD_BUCKET", "s3://payloads", "without 's3://'"),
        ("SQS_LARGE_PAYLOAD_BUCKET", "payloads/django", "without a path"),
        ("SQS_TRANSPORT_OPTIONS", [], "must be a dict"),
        ("SQS_TRANSPORT_OPTIONS", {"large_payload_bucket": "s3://x"}, "the name of a bucket"),
    ],
)
def test_a_wrong_value_is_a_check_error_that_names_the_setting(site, name, value, says):
    setattr(site, name, value)

    errors = [error for error in problems() if error.obj == name]

    assert len(errors) == 1
    assert errors[0].id == "django_sqs.E001"
    assert name in errors[0].msg
    assert says in errors[0].msg
    assert errors[0].hint


def test_every_setting_is_covered_by_a_rule_and_a_meaning():
    for name, setting in SETTINGS.items():
        assert setting.meaning
        assert setting.rule(setting.default) is None, name


ODD = (5, -1, "x", "60 s", "http://[", "http://h:port", b"x", [], ["x"], {}, {"a": 1}, object())


@pytest.mark.parametrize("name", SETTINGS)
def test_no_odd_value_breaks_the_checks(site, name):
    for value in (*ODD, float("nan"), None, True):
        setattr(site, name, value)
        found = problems()
        wrong = SETTINGS[name].rule(value)
        assert (name in [p.obj for p in found if p.id == "django_sqs.E001"]) >= bool(wrong)
        with contextlib.suppress(ImproperlyConfigured):
            django_sqs.receivers.new_connection().release()


@pytest.mark.parametrize(
    ("wake", "says"),
    [
        ("cache:nope", "'nope', which is not in CACHES"),
        ("postgres:nope", "'nope', which is not in DATABASES"),
        ("redis://:pa/ss@host", "percent-encoded"),
        ("redis://host:port", "percent-encoded"),
        (5, "must be 'cache'"),
    ],
)
def test_a_channel_that_is_not_there_is_told(site, wake, says):
    site.SQS_WAKE = wake

    [error] = problems()

    assert (error.obj, error.id) == ("SQS_WAKE", "django_sqs.E001")
    assert says in error.msg
    assert "pa/ss" not in error.msg + error.hint


def test_a_setting_that_nothing_reads_is_told_with_the_nearest_that_is(site):
    site.SQS_POLL_PERIODE = 5
    site.SQS_OF_OUR_OWN = 5

    own, near = sorted(problems(), key=lambda warning: warning.obj)

    assert (own.obj, near.obj) == ("SQS_OF_OUR_OWN", "SQS_POLL_PERIODE")
    assert near.id == "django_sqs.W011"
    assert "Did you mean SQS_POLL_PERIOD?" in near.hint


def test_without_an_endpoint_of_its_own_a_site_speaks_to_aws(site):
    site.SQS_ENDPOINT_URL = None
    site.AWS_REGION = "eu-central-1"

    with django_sqs.receivers.new_connection() as connection:
        client = connection.default_channel.account.client()

    assert client.meta.endpoint_url == "https://sqs.eu-central-1.amazonaws.com"


@pytest.mark.parametrize("region", ["eu-central", "EU-CENTRAL-1", "Frankfurt"])
def test_a_region_that_aws_cannot_have_is_told(site, region):
    site.SQS_REGION, site.SQS_ENDPOINT_URL = region, None

    [warning] = problems()

    assert (warning.obj, warning.id) == ("SQS_REGION", "django_sqs.W025")
    assert repr(region) in warning.msg
    site.SQS_ENDPOINT_URL = "http://127.0.0.1:9324"
    assert problems() == []


@pytest.mark.parametrize("region", ["us-east-1", "us-gov-west-1", "eusc-de-east-1"])
def test_a_region_that_aws_has_is_right(site, region):
    site.SQS_REGION, site.SQS_ENDPOINT_URL = region, None

    assert problems() == []


def test_a_region_in_a_setting_that_is_not_read_is_told(site):
    site.AWS_DEFAULT_REGION = "eu-central-1"
    assert problems() == []

    site.AWS_REGION = None
    [warning] = problems()

    assert (warning.obj, warning.id) == ("AWS_DEFAULT_REGION", "django_sqs.W011")
    assert "Did you mean AWS_REGION?" in warning.hint


def test_credentials_of_sqs_come_before_those_that_others_read(site):
    site.AWS_SESSION_TOKEN = "token"
    assert django_sqs.receivers.new_connection().transport_options["session_token"] == "token"

    site.SQS_ACCESS_KEY_ID, site.SQS_SECRET_ACCESS_KEY = "own", "own-secret"
    site.SQS_REGION = "eu-west-1"
    connection = django_sqs.receivers.new_connection()
    assert (connection.userid, connection.password) == ("own", "own-secret")
    assert connection.transport_options["region"] == "eu-west-1"
    assert "session_token" not in connection.transport_options
    client = BigMessage()._client()
    assert client._request_signer._credentials.access_key == "own"

    site.SQS_ACCESS_KEY_ID = site.SQS_SECRET_ACCESS_KEY = ""
    assert conf.credentials.access_key_id is None
    assert problems() == []


def test_a_token_is_sent_with_the_keys_it_belongs_to(site, server):
    site.AWS_SESSION_TOKEN = "a-session-token"

    identity = django_sqs.receivers.channel().account.identity()

    assert identity.session_token == "a-session-token"
    assert "a-session-token" not in repr(identity)
    site.AWS_ACCESS_KEY_ID = site.AWS_SECRET_ACCESS_KEY = None
    [error] = problems()
    assert error.obj == "AWS_SESSION_TOKEN"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SQS_ENDPOINT_URL", "https://key:hunter2@sqs.example.com"),
        ("SQS_ENDPOINT_URL", "htps://key:hunter2@sqs.example.com"),
        ("SQS_S3_ENDPOINT_URL", ["https://key:hunter2@sqs.example.com"]),
        ("SQS_WAKE", "rediss//:hunter2@host"),
        ("SQS_WAKE", "redis://:hunter2@host"),
        ("SQS_TRANSPORT_OPTIONS", [("session_token", "hunter2")]),
        ("SQS_WAKE_PASSWORD", b"hunter2"),
        ("SQS_SECRET_ACCESS_KEY", b"hunter2"),
        ("SQS_SESSION_TOKEN", ["hunter2"]),
    ],
)
def test_a_secret_in_a_wrong_place_is_told_and_not_shown(site, name, value):
    setattr(site, name, value)

    found = [problem for problem in problems() if problem.obj == name]

    assert found
    assert "hunter2" not in "".join(f"{problem.msg}{problem.hint}" for problem in found)


@pytest.mark.parametrize(
    ("missing", "given"),
    [
        ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_half_of_the_credentials_is_an_error(site, missing, given):
    setattr(site, missing, None)

    [error] = problems()

    assert error.obj == missing
    assert given in error.msg
    assert "testing" not in error.msg + error.hint


def test_no_credentials_leave_the_choice_to_boto3(site):
    site.AWS_ACCESS_KEY_ID = site.AWS_SECRET_ACCESS_KEY = None

    assert problems() == []
    assert conf.credentials.access_key_id is None


@pytest.mark.django_db  # Django 6.1 checks databases, too.
def test_the_prefix_is_required_when_debug_is_true(site):
    site.DEBUG = True
    site.SQS_QUEUE_PREFIX = ""

    [warning] = problems()
    assert (warning.obj, warning.id) == ("SQS_QUEUE_PREFIX", "django_sqs.W010")
    assert "required when DEBUG is true" in warning.msg
    call_command("check")
    with pytest.raises(ImproperlyConfigured, match="SQS_QUEUE_PREFIX"):
        django_sqs.send("plain", body="x")

    site.DEBUG = False
    assert problems() == []


def test_queue_names_too_long_with_the_prefix_are_found(site):
    site.SQS_QUEUE_PREFIX = "p" * 75

    errors = problems()

    assert {error.id for error in errors} == {"django_sqs.E002"}
    assert "plain" in {error.obj for error in errors}
    assert any(error.obj == "plain__big" for error in errors)


def test_two_queues_of_one_name_in_sqs_are_found(monkeypatch):
    queues = dict(django_sqs.queues)
    monkeypatch.setattr(django_sqs.receivers, "queues", queues)
    django_sqs.receivers.register("plain__big")

    [error] = problems()

    assert error.id == "django_sqs.E003"
    assert "plain__big" in error.msg


def test_few_receives_before_the_dead_letters_are_warned_of(monkeypatch, caplog):
    monkeypatch.setattr(django_sqs.receivers, "queues", dict(django_sqs.queues))
    django_sqs.register("early", print, dead_letter_queue="early-dead", max_receives=2)
    django_sqs.register("late", print, dead_letter_queue="late-dead", max_receives=3)

    [warning] = problems()

    assert warning.id == "django_sqs.W005"
    assert "'early' has max_receives=2" in warning.msg
    assert "3 or more" in warning.hint
    assert not caplog.records


def test_transport_options_come_from_the_settings(site, server):
    site.SQS_TRANSPORT_OPTIONS = {"client-config": {"read_timeout": 30}}

    assert conf.transport_options == {
        "wait_time_seconds": 1,
        "create_queues": True,
        "poll_max_idle": 0,
        "ack_linger": 0.1,
        "backoff_base": 10,
        "backoff_max": 900,
        "region": "us-east-1",
        "endpoint_url": server.url,
        "client-config": {"read_timeout": 30},
    }


def test_check_command_shows_setting_and_mend(project):
    process = project.run("check", TEST_SQS_PREFIX="a b")

    assert process.wait() == 1
    assert "django_sqs.E001" in process.output
    assert "SQS_QUEUE_PREFIX must be made of letters, digits" in process.output
    assert "HINT" in process.output


ALONE = """
import sys, django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.contenttypes", sys.argv[1]])
django.setup()
from django.core.management import call_command
call_command("check")
"""


@pytest.mark.parametrize("app", sorted(OPTIONAL - {"django_sqs.wake"}))
def test_an_optional_app_without_django_sqs_is_an_error(app):
    code = [sys.executable, "-c", ALONE, app]
    done = subprocess.run(code, capture_output=True, text=True, timeout=60, cwd=ROOT)

    assert f"(django_sqs.E009) '{app}' is in INSTALLED_APPS, but 'django_sqs' is not" in done.stderr
    assert "HINT: Add 'django_sqs' to INSTALLED_APPS." in done.stderr


def test_check_command_passes(project):
    process = project.run("check")

    assert process.wait() == 0
    assert "no issues" in process.output


@pytest.mark.parametrize(
    ("wake", "backend", "warned"),
    [
        ("cache", "locmem.LocMemCache", True),
        ("cache:default", "dummy.DummyCache", True),
        ("cache", "filebased.FileBasedCache", False),
        ("postgres", "locmem.LocMemCache", False),
        (None, "locmem.LocMemCache", False),
    ],
)
def test_a_cache_that_wakes_nobody_is_warned_of(site, tmp_path, wake, backend, warned):
    path = f"django.core.cache.backends.{backend}"
    site.CACHES = {"default": {"BACKEND": path, "LOCATION": str(tmp_path)}}
    site.SQS_WAKE = wake

    found = [problem.id for problem in problems()]

    assert found == (["django_sqs.W003"] if warned else [])


def test_eager_mode_is_warned_of_where_it_is_deployed(site):
    site.SQS_EAGER = True
    site.SQS_ENDPOINT_URL = site.SQS_S3_ENDPOINT_URL = None

    for deployed, expected in ((True, ["django_sqs.W004"]), (False, [])):
        found = problems(include_deployment_checks=deployed)
        assert [problem.id for problem in found] == expected


@pytest.mark.parametrize(
    ("setting", "url", "debug", "warned"),
    [
        ("SQS_ENDPOINT_URL", "http://127.0.0.1:4566", False, True),
        ("SQS_S3_ENDPOINT_URL", "http://localhost:4566", False, True),
        ("SQS_S3_ENDPOINT_URL", "http://alice:s3cret@localhost:4566", False, True),
        ("SQS_ENDPOINT_URL", "http://127.0.0.1:4566", True, False),
        ("SQS_ENDPOINT_URL", "https://vpce-1.sqs.eu-central-1.vpce.amazonaws.com", False, False),
        ("SQS_ENDPOINT_URL", None, False, False),
    ],
)
def test_a_local_server_is_warned_of_where_it_is_deployed(site, setting, url, debug, warned):
    site.SQS_ENDPOINT_URL = site.SQS_S3_ENDPOINT_URL = None
    site.DEBUG = debug
    setattr(site, setting, url)

    found = [each for each in problems(include_deployment_checks=True) if each not in problems()]
    assert [each.id for each in found] == (["django_sqs.W026"] if warned else [])
    assert "s3cret" not in str(found)


def test_a_queue_that_reads_any_object_of_s3_is_warned_of(monkeypatch):
    class Videos(BigMessage):
        buckets = ("videos",)

    monkeypatch.setattr(django_sqs.receivers, "queues", dict(django_sqs.queues))
    django_sqs.register("any", print, message_class=BigMessage)
    django_sqs.register("some", print, message_class=Videos)
    django_sqs.register("sending-only", message_class=BigMessage)

    [warning] = problems()

    assert (warning.id, warning.obj) == ("django_sqs.W006", "any")
    assert "buckets" in warning.hint


def not_committed(monkeypatch, alias):
    settings = {**connections["default"].settings_dict, "AUTOCOMMIT": False}
    monkeypatch.setitem(connections.settings, alias, settings)
    return [(found.id, found.obj, found.msg) for found in problems()]


def test_a_database_to_which_nobody_commits_is_an_error(monkeypatch):
    written = router.db_for_write(TaskRecord)

    [(number, alias, says)] = not_committed(monkeypatch, written)

    assert (number, alias) == ("django_sqs.E006", written)
    assert "django_sqs.results" in says


def test_of_another_database_it_is_told_that_receivers_have_to_commit(monkeypatch):
    [(number, alias, says)] = not_committed(monkeypatch, "archive")

    assert (number, alias) == ("django_sqs.W013", "archive")
    assert "unless the receiver commits it" in says


def test_a_misspelt_transport_option_is_told(site):
    site.SQS_TRANSPORT_OPTIONS = {"wait_time_second": 3, "of_some_other_kind": 1}

    [warning] = problems()

    assert warning.id == "django_sqs.W011"
    assert "no option 'wait_time_second'" in warning.msg
    assert warning.hint == "Did you mean 'wait_time_seconds'?"


def test_no_option_that_kombu_and_this_library_know_counts_as_misspelt(site):
    page = (ROOT / "docs" / "transport.rst").read_text()
    _, _, tables = page.partition("All options of Kombu's SQS transport work.")
    tables, _, _ = tables.partition("A predefined queue")
    documented = set(re.findall(r"^``([a-z0-9_-]+)``", tables, re.MULTILINE))
    of_connections = {"max_retries", "interval_start", "interval_step", "interval_max"}
    assert documented <= KNOWN <= set(re.findall(r"``([a-z0-9_-]+)``", tables))

    site.SQS_TRANSPORT_OPTIONS = dict.fromkeys(documented | of_connections, None)

    assert not [warning for warning in problems() if warning.id == "django_sqs.W011"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"wait_time_seconds": 50}, "wait_time_seconds must be a number from 0 to 20, not 50"),
        ({"ack_linger": "0.1"}, "ack_linger must be a number from 0 to 86,400, not '0.1'"),
    ],
)
def test_a_transport_option_that_cannot_work_is_told(site, options, says):
    site.SQS_TRANSPORT_OPTIONS = options

    [error] = problems()

    assert error.id == "django_sqs.E001"
    assert error.msg == f"SQS_TRANSPORT_OPTIONS: {says}."
