"""Every module can be imported on each Python: what it makes when it is imported is made there."""

import importlib
import pkgutil

import django_sqs
import django_sqs_kombu

#: Programs, and what belongs to projects and to apps that are not installed here.
ELSEWHERE = ("__main__", ".demo.", ".migrations.", ".admin")


def test_every_module_is_imported():
    names = [
        found.name
        for package in (django_sqs_kombu, django_sqs)
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if not any(part in found.name for part in ELSEWHERE)
    ]

    assert len(names) > 400
    for name in names:
        importlib.import_module(name)
