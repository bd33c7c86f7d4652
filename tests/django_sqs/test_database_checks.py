"""System checks of databases."""

import pytest
from django.apps import apps
from django.apps.registry import Apps
from django.core.checks import run_checks
from django.db import connections, models, router

import django_sqs
from django_sqs.failures.models import FailureGroup


def found(number="W028"):
    return [each for each in run_checks(tags=["django_sqs"]) if each.id == f"django_sqs.{number}"]


@pytest.fixture
def alike(site):
    """Queues whose names are the same but for their case."""
    for name in ("Parcels", "parcels", "parcels-2"):
        django_sqs.register(name)


def test_queues_that_the_database_takes_for_the_same_are_told(alike, monkeypatch):
    database = connections[router.db_for_write(FailureGroup)]
    monkeypatch.setattr(database, "vendor", "mysql", raising=False)

    [warning] = found()

    assert warning.obj == "parcels"
    assert "their numbers of failed messages" in warning.msg
    assert "are added together" in warning.msg


@pytest.mark.parametrize("vendor", ["postgresql", "sqlite"])
def test_others_tell_them_from_each_other(alike, monkeypatch, vendor):
    for connection in connections.all():
        monkeypatch.setattr(connection, "vendor", vendor, raising=False)

    assert found() == []


def test_rows_that_no_message_can_bring_are_told(site):
    before = found("W030")
    django_sqs.register("some", models=["shop.Order", "shop.Nope"], databases=["default", "nix"])

    database, model = found("W030")

    assert before == []
    assert "'some' is registered with databases= for 'nix', which is not in" in database.msg
    assert "default" in database.hint
    assert "models= for 'shop.nope', but no such model" in model.msg


def test_a_model_that_django_made_for_a_relation_is_there(site, monkeypatch):
    class Link(models.Model):
        class Meta:
            app_label = "shop"
            auto_created = True
            apps = Apps()

    monkeypatch.setitem(apps.all_models["shop"], "link", Link)
    django_sqs.register("some", models=["shop.Link"])

    assert found("W030") == []
