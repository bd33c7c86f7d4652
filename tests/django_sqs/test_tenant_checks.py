"""System check of apps whose tables django-tenants makes in the schema of each tenant."""

import pytest
from django.apps import apps
from django.core.checks import run_checks


def found():
    return [each for each in run_checks(tags=["django_sqs"]) if each.id == "django_sqs.W029"]


@pytest.fixture
def django_tenants(monkeypatch):
    """As if it were installed: it takes PostgreSQL, and a backend of its own."""
    is_installed = apps.is_installed
    monkeypatch.setattr(
        apps, "is_installed", lambda name: name == "django_tenants" or is_installed(name)
    )


def test_an_outbox_of_each_tenant_that_no_relay_looks_into_is_told(django_tenants, settings):
    settings.TENANT_APPS = ["shop", "django_sqs.inbox", "django_sqs.outbox", "django_sqs.results"]

    [warning] = found()

    assert warning.msg.startswith("django_sqs.outbox, django_sqs.results: each tenant has tables")
    assert "SHARED_APPS" in warning.hint


def test_so_it_is_where_tenants_are_of_several_types(django_tenants, settings):
    settings.TENANT_TYPES = {
        "public": {"APPS": ["django_sqs.outbox"]},
        "shops": {"APPS": ["django_sqs.tickets.apps.TicketsConfig"]},
    }

    [warning] = found()

    assert "django_sqs.tickets" in warning.msg
    assert "outbox:" not in warning.msg


def test_apps_in_the_public_schema_are_well_placed(django_tenants, settings):
    settings.TENANT_APPS = ["shop", "django_sqs.inbox"]

    assert found() == []


def test_without_django_tenants_such_a_setting_says_nothing(settings):
    settings.TENANT_APPS = ["django_sqs.outbox"]

    assert found() == []
