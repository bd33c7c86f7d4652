"""What results write, which is written past Django's fields where these cost most."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from django.db import connections, router
from django.utils import timezone

from django_sqs.results.models import TaskRecord
from django_sqs.results.statements import ConditionalUpdate, _texts_of_times

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.mark.parametrize("name", ["errors", "return_value", "worker_ids"])
@pytest.mark.parametrize(
    "value", [None, [], {}, 0, "", "x", ["ä\u2028\U0001f600"], {"a": [1.5, None, True]}, [[]]]
)
def test_json_is_written_as_django_writes_it(name, value):
    assert_written_as_django_does(name, value)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_times_are_written_as_django_writes_them(settings, zone):
    now = timezone.now()
    for value in (None, now, now.replace(microsecond=0)):
        if settings.USE_TZ and value:
            value = value.astimezone(ZoneInfo(zone))
        assert_written_as_django_does("started_at", value)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_so_are_those_that_are_written_together(settings, zone):
    connection = connections[router.db_for_write(TaskRecord)]
    now = timezone.now()
    for value in (now, now.replace(microsecond=0)):
        if settings.USE_TZ:
            value = value.astimezone(ZoneInfo(zone))
        text = _texts_of_times(connection)(value)
        if connection.vendor == "sqlite":
            assert text == connection.ops.adapt_datetimefield_value(value)
        else:
            assert datetime.fromisoformat(text) == value


def assert_written_as_django_does(name, value):
    connection = connections[router.db_for_write(TaskRecord)]
    statement = ConditionalUpdate([name], [], ["READY"])
    written, _ = statement._parameters(connection, {name: value})

    expected = TaskRecord._meta.get_field(name).get_db_prep_save(value, connection)
    assert type(written) is type(expected)
    assert unwrapped(written) == unwrapped(expected)


def unwrapped(value):
    """What is in psycopg's wrapper of JSON, or psycopg2's, which is equal to no other."""
    return getattr(value, "obj", getattr(value, "adapted", value))
