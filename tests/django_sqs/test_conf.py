"""Settings are read as Django reads them, at each access, wherever they were set."""

import pytest
from django.conf import LazySettings, Settings, UserSettingsHolder, settings
from django.test import override_settings

from django_sqs import conf as conf_module
from django_sqs.conf import conf

NAME, ABSENT = "SQS_WAKE", object()


def agrees():
    """What is read, which is what Django says."""
    found = conf_module._value(NAME, ABSENT)
    assert found is getattr(settings, NAME, ABSENT)
    return found


def test_a_setting_that_is_not_set_has_its_default():
    assert agrees() is ABSENT
    assert conf.wake is None


def test_a_setting_that_is_overridden_is_read_as_long_as_it_is():
    with override_settings(SQS_WAKE="cache:outer"):
        assert agrees() == "cache:outer"
        with override_settings(SQS_WAKE="cache:inner"):
            assert agrees() == "cache:inner"
        with override_settings(DEBUG=True):
            assert agrees() == "cache:outer"
    assert agrees() is ABSENT


def test_a_setting_that_is_deleted_has_its_default():
    with override_settings(SQS_WAKE="cache:outer"), override_settings(DEBUG=True):
        del settings.SQS_WAKE
        assert agrees() is ABSENT
        settings.SQS_WAKE = "cache:again"
        assert agrees() == "cache:again"


@pytest.mark.parametrize("kind", ["module", "configured", "object"])
def test_settings_of_every_kind_are_read(kind, monkeypatch, tmp_path):
    class Defaults:
        SQS_WAKE = "cache:object"

    made = LazySettings()
    if kind == "module":
        (tmp_path / "settings_of_a_test.py").write_text("SQS_WAKE = 'cache:module'\n")
        monkeypatch.syspath_prepend(tmp_path)
        made._wrapped = Settings("settings_of_a_test")
    elif kind == "configured":
        made.configure(SQS_WAKE="cache:configured")
    else:
        made.configure(Defaults())
    monkeypatch.setattr(conf_module, "settings", made)

    assert conf.wake == made.SQS_WAKE == f"cache:{kind}"
    assert conf.eager is False


def test_settings_of_a_kind_of_its_own_are_read(monkeypatch):
    class Own(UserSettingsHolder):
        def __getattr__(self, name):
            return "cache:own" if name == NAME else super().__getattr__(name)

    made = LazySettings()
    made._wrapped = Own(type("Defaults", (), {}))
    monkeypatch.setattr(conf_module, "settings", made)

    assert conf.wake == "cache:own"


def test_settings_that_nobody_has_read_yet_are_read(monkeypatch, tmp_path):
    (tmp_path / "unread_settings_of_a_test.py").write_text("SQS_WAKE = 'cache:first'\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "unread_settings_of_a_test")
    monkeypatch.setattr(conf_module, "settings", LazySettings())

    assert conf.wake == "cache:first"
