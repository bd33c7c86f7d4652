"""Django's caches, which it keeps in a context variable, in receivers, which have their own."""

import threading

import pytest
from django.core.cache import caches

import django_sqs
from django_sqs_kombu import ReceiverConsumer

BACKEND = "django.core.cache.backends.locmem.LocMemCache"


@pytest.mark.parametrize("options", [{}, {"batch": 1}], ids=["single", "batch"])
def test_each_thread_keeps_its_own_from_message_to_message(site, options):
    site.CACHES = {"default": {"BACKEND": BACKEND}, "broken": {"BACKEND": "nowhere.Cache"}}
    seen = {}

    def receive(message):
        # Kept, so that no other has its address.
        seen.setdefault(threading.current_thread(), []).append(caches["default"])

    queue = django_sqs.register("cached", receive, **options)
    queue.send_many(map(str, range(8)))
    # In threads of its own: this one may have them already.
    ReceiverConsumer(django_sqs.receivers, [queue], threads=2, message_limit=8).run()

    assert sum(map(len, seen.values())) == 8
    for of_thread in seen.values():
        assert all(each is of_thread[0] for each in of_thread)
