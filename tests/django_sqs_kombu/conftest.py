"""Fixtures: buckets, a network that breaks, consumers that are ended with the test."""

import threading
from urllib.parse import urlsplit

import pytest

from django_sqs_kombu import CacheTickets, ReceiverConsumer, Receivers, new_threads

from ..faults.proxy import FaultProxy
from ..tally import Tally


@pytest.fixture
def tally():
    return Tally()


@pytest.fixture
def ticketed(prefix, transport_options, cache):
    """A registry with a store of tickets, in the cache of the tests."""
    receivers = Receivers(
        "sqs-batch://testing:testing-secret@",
        prefix=prefix,
        poll_period=1,
        transport_options=transport_options,
        tickets=CacheTickets(cache),
    )
    yield receivers
    receivers.close()


@pytest.fixture
def new_proxy(server):
    """Make proxies that stand before the server and break what they are told to."""
    made = []

    def new_proxy():
        made.append(FaultProxy(urlsplit(server.url).port))
        return made[-1]

    yield new_proxy
    for proxy in made:
        proxy.stop()


@pytest.fixture
def proxy(new_proxy):
    """Stands before the server and breaks what it is told to."""
    return new_proxy()


@pytest.fixture
def new_fragile(prefix, transport_options):
    """Make registries behind a proxy."""
    made = []

    def new_fragile(proxy):
        receivers = Receivers(
            "sqs-batch://testing:testing-secret@",
            prefix=prefix,
            poll_period=1,
            transport_options={
                **transport_options,
                "endpoint_url": proxy.url,
                "s3_endpoint_url": proxy.url,
                "large_payload_bucket": prefix,
            },
        )
        made.append((receivers, proxy))
        return receivers

    yield new_fragile
    for receivers, proxy in made:
        proxy.heal()
        receivers.close()


@pytest.fixture
def fragile(new_fragile, proxy):
    """A registry behind the proxy."""
    return new_fragile(proxy)


@pytest.fixture
def start():
    """Start a consumer in a thread; it is stopped with the test."""
    started = []

    def start(receivers, **options):
        consumer = ReceiverConsumer(receivers, **options)
        thread = threading.Thread(target=consumer.run, daemon=True)
        thread.start()
        started.append((consumer, thread))
        return consumer, thread

    yield start
    for consumer, _ in started:
        consumer.stop()
    for _, thread in started:
        thread.join(20)


@pytest.fixture
def large_with(server, prefix, transport_options, s3):
    """Make registries with a bucket for large payloads, and other transport options."""
    made = []

    def large_with(**options):
        receivers = Receivers(
            "sqs-batch://testing:testing-secret@",
            prefix=prefix,
            poll_period=1,
            transport_options={
                **transport_options,
                "large_payload_bucket": prefix,
                "s3_endpoint_url": server.url,
                **options,
            },
        )
        made.append(receivers)
        return receivers

    yield large_with
    for receivers in made:
        receivers.close()


@pytest.fixture
def large(large_with):
    """A registry with a bucket for large payloads."""
    return large_with()


@pytest.fixture
def keys(s3, prefix):
    return lambda: [o["Key"] for o in s3.list_objects_v2(Bucket=prefix).get("Contents", [])]


@pytest.fixture
def without_memory(monkeypatch):
    """Have threads of a name fail so many times to make the lock that they wait with."""
    monkeypatch.setattr(new_threads, "PAUSE", 0.05)
    allocate, left = threading._allocate_lock, {}

    def allocated():
        name = threading.current_thread().name
        if left.get(name):
            left[name].pop()
            raise RuntimeError("can't allocate lock")
        return allocate()

    monkeypatch.setattr(threading, "_allocate_lock", allocated)
    return lambda name, times: left.setdefault(name, [None] * times)
