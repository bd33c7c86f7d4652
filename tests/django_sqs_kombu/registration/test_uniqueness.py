"""``unique=``: of messages with one key one is sent, and the other senders are told."""

import contextlib
from datetime import timedelta
from functools import partial
from time import monotonic

import pytest

from django_sqs_kombu import (
    CacheTickets,
    ConfigurationError,
    EndpointUnreachable,
    EnvironmentFailure,
    MessageEncodeError,
    Receivers,
    RequestFailed,
    SendFailure,
    SendManyFailed,
    SQSError,
)
from django_sqs_kombu.registration import errors_of, may_be_there
from django_sqs_kombu.transport.sending.dispatch import overtaking
from django_sqs_kombu.transport.sqs.waits import answered_by

from ..own_cache import OwnCache


@pytest.fixture
def cache():
    return OwnCache()


@pytest.fixture
def keyed(ticketed):
    """A registry with a store of tickets, and a queue."""
    ticketed.register("orders", print)
    return ticketed


def test_one_is_sent_and_the_others_get_its_ticket(keyed, counts, prefix, cache):
    first = keyed.send("orders", body="1", unique="a", unique_for=timedelta(hours=1))
    second = keyed.send("orders", body="2", unique="a", unique_for=3600)
    other = keyed.send("orders", body="3", unique="b", unique_for=3600)

    assert (first.sent, second.sent, other.sent) == (True, False, True)
    assert second.id == first.id != other.id
    assert counts(f"{prefix}__orders")[0] == 2
    cache.now = 3_601
    assert keyed.send("orders", body="4", unique="a", unique_for=3600).sent


def test_a_key_is_of_its_queue(keyed):
    keyed.register("others", print, suffixes=["big"])

    for queue, suffix in (("orders", None), ("others", None), ("others", "big")):
        assert keyed.send(queue, None, suffix, body="1", unique="a", unique_for=60).sent


def test_what_could_not_be_sent_leaves_its_key_to_the_next(keyed, monkeypatch):
    def refuse(*args, **kwargs):
        raise EnvironmentFailure("SQS is away")

    with monkeypatch.context() as patch:
        patch.setattr(keyed, "publish", refuse)
        with pytest.raises(EnvironmentFailure):
            keyed.send("orders", body="1", unique="a", unique_for=60)

    assert keyed.send("orders", body="1", unique="a", unique_for=60).sent


@pytest.mark.parametrize("call", [1, 2])
def test_a_key_that_was_taken_although_its_store_failed_is_given_back(
    keyed, cache, monkeypatch, call
):
    """As where Redis has the key, and its answer is lost: a second try was told of the first."""
    left, add = [call], cache.add

    def answer_lost(*args):
        added = add(*args)
        left[0] -= 1
        if left[0] == 0:
            raise ConnectionError("reset by peer")
        return added

    monkeypatch.setattr(cache, "add", answer_lost)
    with pytest.raises(ConnectionError):
        keyed.send("orders", body="1", unique="a", unique_for=60)

    assert keyed.send("orders", body="1", unique="a", unique_for=60).sent


def test_a_store_that_stays_away_is_told_as_what_failed(keyed, cache, monkeypatch, caplog):
    def refuse(*args):
        raise ConnectionError("refused")

    for method in ("add", "get"):
        monkeypatch.setattr(cache, method, refuse)
    with pytest.raises(ConnectionError):
        keyed.send("orders", body="1", unique="a", unique_for=60)

    assert "it is not known whether its unique key is taken" in caplog.text


@pytest.mark.parametrize("in_batch", [False, True])
def test_what_sqs_may_have_keeps_its_key(keyed, server, counts, prefix, caplog, in_batch):
    queue = keyed.queues["orders"]
    queue.send(body="0")
    # As of a proxy: SQS has taken it or not.
    for operation in ("SendMessage", "SendMessageBatch"):
        server.answers[operation, queue.full_name()] = {}
    with pytest.raises(SQSError), keyed.batch() if in_batch else contextlib.nullcontext():
        queue.send(body="1", unique="a", unique_for=60)
    server.answers.clear()

    assert not queue.send(body="2", unique="a", unique_for=60).sent
    assert "it is not known whether SQS accepted" in caplog.text
    for operation in ("SendMessage", "SendMessageBatch"):
        server.faults[operation, queue.full_name()] = (403, "AccessDenied")
    with pytest.raises(SQSError), keyed.batch() if in_batch else contextlib.nullcontext():
        queue.send(body="3", unique="b", unique_for=60)
    server.faults.clear()
    assert queue.send(body="4", unique="b", unique_for=60).sent


@pytest.mark.parametrize(
    ("kind", "operation", "code", "there"),
    [
        (EndpointUnreachable, "SendMessage", "ReadTimeoutError", True),
        (EndpointUnreachable, "SendMessageBatch", "ConnectionClosedError", True),
        (EndpointUnreachable, "SendMessage", "EndpointConnectionError", False),
        (EndpointUnreachable, "GetQueueUrl", "ReadTimeoutError", False),
        (RequestFailed, "SendMessage", "502", True),
        (RequestFailed, "SendMessage", "InvalidMessageContents", False),
    ],
)
def test_what_is_known_of_a_message_that_was_not_accepted(kind, operation, code, there):
    failure = kind("No.", operation=operation, queue="q", code=code)

    assert may_be_there(failure) is there
    # What follows it in a list, or in its group, was not even tried.
    following = SendManyFailed("q", 0, [SendFailure(0, "x", failure)], 1)
    assert list(map(may_be_there, errors_of(following, 2))) == [there, False]
    assert not may_be_there(overtaking(failure, "group"))


def test_what_a_batch_drops_leaves_its_key_to_the_next(keyed, counts, prefix):
    with contextlib.suppress(KeyError), keyed.batch():
        assert keyed.send("orders", body="1", unique="a", unique_for=60).sent
        raise KeyError

    with keyed.batch():
        assert keyed.send("orders", body="1", unique="a", unique_for=60).sent
        assert not keyed.send("orders", body="2", unique="a", unique_for=60).sent
    assert counts(f"{prefix}__orders")[0] == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"unique": "a"}, "go together"),
        ({"unique_for": 60}, "go together"),
        ({"unique": 5, "unique_for": 60}, "unique must be text"),
        ({"unique": "", "unique_for": 60}, "1 to 1,000 characters"),
        ({"unique": "a", "unique_for": 0}, "above 0"),
        ({"unique": "a", "unique_for": float("nan")}, "above 0"),
        ({"unique": "a", "unique_for": True}, "a number of seconds"),
        ({"unique": "a", "unique_for": timedelta(days=400)}, "at most 31,622,400"),
        ({"unique": "a", "unique_until": "started"}, "how long it is held at most"),
        ({"unique_until": "started"}, "unique_until needs unique and unique_for"),
        ({"unique_for": 60, "unique_until": "started"}, "unique_until needs unique and unique_for"),
        ({"unique": "a", "unique_for": 60, "unique_until": "done"}, "'started' or 'finished'"),
        ({"unique": "a", "unique_for": 60, "unique_until": 5}, "'started' or 'finished'"),
        (
            {"unique": "a", "unique_for": 60, "unique_until": "finished", "delay": 60},
            "unique_for: 60 seconds end before the message can be received, which is "
            "after its delay of 60 seconds",
        ),
    ],
)
def test_what_cannot_be_is_an_error_before_anything_is_sent(keyed, cache, options, says):
    with pytest.raises(MessageEncodeError, match=says):
        keyed.send("orders", body="x", **options)

    assert not cache.values


def test_what_sqs_may_drop_takes_no_key_that_its_end_frees(keyed, cache):
    keyed.register("ordered.fifo", print)
    options = {"body": "x", "unique": "a", "unique_for": 60, "deduplication_id": "1"}

    for until in ("started", "finished"):
        with pytest.raises(MessageEncodeError, match="cannot be combined with deduplication_id"):
            keyed.send("ordered.fifo", **options, unique_until=until)
    assert not cache.values

    assert keyed.send("ordered.fifo", **options).sent


def test_for_a_longer_delay_than_its_time_a_key_needs_no_end(keyed):
    assert keyed.send("orders", body="x", unique="a", unique_for=60, delay=900).sent


def test_a_key_needs_its_ticket(keyed, cache):
    with pytest.raises(
        ConfigurationError, match="'orders': ticket=False cannot be combined with unique="
    ):
        keyed.send("orders", body="x", unique="a", unique_for=60, ticket=False)

    assert not cache.values


def test_without_a_store_it_says_what_to_do(receivers):
    receivers.register("orders", print)

    with pytest.raises(ConfigurationError, match=r"unique=.*CacheTickets"):
        receivers.send("orders", body="x", unique="a", unique_for=60)


@pytest.fixture
def behind(wire, prefix, transport_options, cache, proxy):
    """A registry with keys behind a proxy."""
    receivers = Receivers(
        "sqs-batch://testing:testing-secret@",
        prefix=prefix,
        transport_options={
            **transport_options,
            "endpoint_url": proxy.url,
            "wire": wire,
        },
        tickets=CacheTickets(cache),
    )
    receivers.register("orders", print)
    yield receivers
    receivers.close()


@pytest.mark.parametrize(
    ("wire", "way"),
    [("auto", "one"), ("auto", "batch"), ("auto", "short of time"), ("botocore", "one")],
)
def test_what_a_lost_answer_may_have_told_counts_when_the_next_try_is_refused(
    behind, proxy, counts, way
):
    queue = behind.queues["orders"]
    queue.send(body="0")
    # SQS has it, its answer is lost, and then the credentials are not good any more.
    proxy.denied = {queue.full_name()}
    proxy.set("taken", count=1)
    block = {"batch": behind.batch, "short of time": partial(answered_by, monotonic() + 5)}

    with pytest.raises(SQSError), block.get(way, contextlib.nullcontext)():
        queue.send(body="1", unique="a", unique_for=60)
    assert proxy.tried == 1
    proxy.denied = set()

    assert counts(queue.full_name())[0] == 2
    assert not queue.send(body="2", unique="a", unique_for=60).sent
