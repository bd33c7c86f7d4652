"""While a new release is rolled out its tables are migrated first: the old one writes to them."""

import uuid

import pytest
from django.apps import apps
from django.db import models, router
from django.db.migrations import AddField
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

#: What the old release writes into a column of a kind that has no default.
VALUES = {
    models.BooleanField: True,
    models.CharField: "a",
    models.DateTimeField: timezone.now,
    models.FloatField: 1.5,
    models.IntegerField: 1,
    models.JSONField: dict,
    models.TextField: "a",
    models.UUIDField: uuid.uuid4,
}


def earlier_models():
    """Each model of the library with each earlier form of its table that a release may know."""
    loader = MigrationLoader(None)
    for label, name in sorted(loader.graph.nodes):
        if not label.startswith("django_sqs"):
            continue
        for model in loader.project_state((label, name)).apps.get_app_config(label).get_models():
            if not model._meta.proxy and model.__name__ in _today(label):
                yield pytest.param(model, id=f"{label}-{name}-{model.__name__}")


def _today(label):
    return {each.__name__ for each in apps.get_app_config(label).get_models()}


def written(model, using):
    """A row that *model* writes, with something in each column that has no default."""
    values = {
        field.attname: _value(field, using)
        for field in model._meta.concrete_fields
        if not field.has_default() and not isinstance(field, models.AutoField)
    }
    row = model(**values)
    row.save(using=using, force_insert=True)
    return row


def _value(field, using):
    if field.is_relation:
        return written(field.related_model, using).pk
    found = next(value for kind, value in VALUES.items() if isinstance(field, kind))
    return found() if callable(found) else found


@pytest.mark.django_db(databases="__all__")
@pytest.mark.parametrize("earlier", list(earlier_models()))
def test_a_row_that_an_earlier_release_writes_is_taken(earlier):
    today = apps.get_model(earlier._meta.app_label, earlier.__name__)
    using = router.db_for_write(today)
    row = written(earlier, using)

    found = today.objects.using(using).get(pk=row.pk)
    columns = {field.column for field in earlier._meta.concrete_fields}
    for field in today._meta.concrete_fields:
        if field.column not in columns:
            # As one that was written without it.
            assert getattr(found, field.attname) == (None if field.null else field.get_default())


def test_each_column_that_was_added_has_a_default_in_the_database(settings):
    """Of the apps that this project has not installed, too."""
    settings.INSTALLED_APPS = [
        *("django.contrib.contenttypes", "django.contrib.auth", "django_sqs"),
        *(f"django_sqs.{name}" for name in ("failures", "inbox", "monitor", "outbox", "results")),
        *("django_sqs.schedules", "django_sqs.tickets"),
    ]
    loader = MigrationLoader(None)
    now = loader.project_state().apps
    added = [
        now.get_model(label, operation.model_name)._meta.get_field(operation.name)
        for (label, _), migration in loader.disk_migrations.items()
        for operation in migration.operations
        if label.startswith("django_sqs") and isinstance(operation, AddField)
    ]

    assert len(added) > 12
    assert [
        f"{f.model.__name__}.{f.name}" for f in added if not (f.null or f.has_db_default())
    ] == []
