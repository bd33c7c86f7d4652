"""Runs a document's Python blocks in a Django project, one after the other."""

import importlib
import json
import sys
import types
from pathlib import Path

import django

django.setup()

import tests.site.shop.models as models  # noqa: E402 - after the setup
from django_sqs import receivers  # noqa: E402
from django_sqs.conf import SETTINGS  # noqa: E402

sys.modules["shop"] = types.ModuleType("shop")
sys.modules["shop.models"] = models
#: Its blocks, for settings that name what they define.
sys.modules["shop.middleware"] = types.ModuleType("shop.middleware")


def run_settings(code, where):
    """Settings are run as those of a project, and ours among them looked over."""
    found = {"INSTALLED_APPS": [], "MIDDLEWARE": []}
    exec(compile(code, where, "exec"), found)
    for name, value in found.items():
        if name.startswith(("SQS_", "AWS_")):
            wrong = SETTINGS[name].rule(value)
            assert not wrong, f"{where}: {name} {wrong}"
    if "LOGGING" in found:
        import logging.config

        logging.config.dictConfig(found["LOGGING"])
    for app in found["INSTALLED_APPS"]:
        __import__(app)


if django.VERSION < (6, 0):
    # Documents import what Django has from 6.0 on.
    sys.modules["django.tasks"] = importlib.import_module("django_tasks")
namespace = {"__name__": "shop.receivers"}
blocks, document = json.loads(Path(sys.argv[1]).read_text()), sys.argv[2]
for block in blocks:
    where = block["where"]
    print("running", where, flush=True)
    if block["settings"]:
        run_settings(block["code"], where)
        continue
    before = set(receivers.queues)
    exec(compile(block["code"], where, "exec"), namespace)
    vars(sys.modules["shop.middleware"]).update(namespace)
    # What a document registers can be declared, and its tests pass.
    for name in set(receivers.queues) - before:
        receivers.get(name).get_queue()

if document == "testing.rst":
    import unittest

    from django_sqs_kombu.testing import captured, eager, received_message

    def message_factory(name, **kwargs):
        return received_message(receivers.get(name), **kwargs)

    with captured(receivers) as sent:
        namespace["test_a_parcel_gets_a_label"](message_factory, sent)
    with eager(receivers):
        namespace["test_the_whole_way"](None)
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(namespace["ParcelTest"])
    assert unittest.TextTestRunner().run(suite).wasSuccessful()
receivers.close()
