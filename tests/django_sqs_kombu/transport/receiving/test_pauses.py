"""Pauses: a tag of the queue in SQS, which everybody who receives from it follows."""

import logging
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest

from django_sqs_kombu import ConfigurationError, Middleware, Pause, Receivers
from django_sqs_kombu.transport.receiving import pause_watch
from django_sqs_kombu.transport.sqs.pauses import BREAKER_TAG, TAG


@pytest.fixture
def looking(receivers):
    """A registry whose workers look every half second."""
    receivers._options["pause_look"] = 0.5
    return receivers


@pytest.fixture
def made(looking):
    """The bodies that a receiver of the queue "orders" got."""
    got = []
    looking.register("orders", lambda message: got.append(message.get_body()))
    looking.send("orders", body="first")
    return got


@pytest.fixture
def asked(server, prefix):
    """How many requests of a kind came about a queue."""
    return lambda operation, name="orders": server.count(operation, f"{prefix}__{name}")


def total(server, name):
    """How many requests came about a queue."""
    return sum(count for (_, queue), count in list(server.requests.items()) if queue == name)


def test_a_paused_queue_keeps_what_is_sent_until_it_is_resumed(
    looking, made, start, eventually, counts, prefix
):
    start(looking)
    eventually(lambda: made == ["first"])
    queue = looking.get("orders")

    queue.pause(reason="stock-taking")
    time.sleep(2.5)
    looking.send("orders", body="second")
    time.sleep(2)

    assert made == ["first"]
    assert counts(f"{prefix}__orders") == (1, 0, 0)
    assert queue.paused().reason == "stock-taking"

    queue.resume()
    eventually(lambda: made == ["first", "second"], timeout=5)
    assert queue.paused() is None


def test_a_paused_queue_costs_no_request_but_the_look(
    looking, made, start, eventually, server, prefix, asked
):
    looking.get("orders").pause()
    start(looking)
    eventually(lambda: asked("ListQueueTags") >= 1)
    time.sleep(1)
    before, looks = total(server, f"{prefix}__orders"), asked("ListQueueTags")
    began = time.monotonic()
    eventually(lambda: asked("ListQueueTags") - looks >= 4)

    looked = asked("ListQueueTags") - looks
    # Never more often than the pause between two looks lets it.
    assert looked <= 1 + 2.5 * (time.monotonic() - began)
    assert total(server, f"{prefix}__orders") - before == looked
    assert asked("ReceiveMessage") == 0


def test_a_pause_outlasts_its_workers(looking, made, start, counts, prefix):
    looking.get("orders").pause()
    for _ in range(2):
        consumer, thread = start(looking)
        time.sleep(1.5)
        consumer.stop()
        thread.join(10)

    assert made == []
    assert counts(f"{prefix}__orders") == (1, 0, 0)


@pytest.mark.parametrize("name", ["slow", "slow.fifo"])
def test_what_is_held_unstarted_is_given_back_and_what_runs_goes_on(
    looking, start, eventually, counts, prefix, name
):
    started, go_on = [], threading.Event()
    full_name = f"{prefix}__{name}"

    def receive(message):
        started.append(message.get_body())
        # At first one is as quick as the other, so that messages are received ahead.
        if len(started) > 30:
            go_on.wait(20)

    looking.register(name, receive)
    group = {"group_id": "one"} if name.endswith(".fifo") else {}
    looking.send_many(name, [str(n) for n in range(80)], **group)
    consumer, _ = start(looking)
    eventually(lambda: len(started) > 30)
    eventually(lambda: counts(full_name)[1] > 1 or name.endswith(".fifo"))

    looking.get(name).pause()
    consumer.look_for_pauses(name)

    # Only what runs is held.
    eventually(lambda: counts(full_name)[1] <= 1, timeout=8)
    now = len(started)
    go_on.set()
    time.sleep(2)
    assert len(started) == now
    assert counts(full_name)[:2] == (80 - now, 0)
    looking.get(name).resume()
    consumer.look_for_pauses(name)
    eventually(lambda: len(set(started)) == 80)
    if group:
        assert list(dict.fromkeys(started)) == [str(n) for n in range(80)]


def test_a_pause_ends_by_itself(looking, made, start, eventually, asked):
    looking._options["pause_look"] = 3600
    looking.get("orders").pause(3)
    begun = time.monotonic()
    start(looking)

    eventually(lambda: made == ["first"], timeout=10)

    # Times in tags are of whole seconds.
    assert 1.5 <= time.monotonic() - begun < 6
    assert asked("ListQueueTags") == 1


def test_a_worker_that_is_told_to_looks_at_once(looking, made, start, eventually):
    looking._options["pause_look"] = 3600
    looking.get("orders").pause()
    consumer, _ = start(looking)
    time.sleep(1)

    looking.get("orders").resume()
    consumer.look_for_pauses("other")
    time.sleep(0.5)
    assert made == []
    consumer.look_for_pauses("orders")

    eventually(lambda: made == ["first"], timeout=3)


def test_who_may_not_read_tags_receives_as_before_and_is_told_once(
    looking, made, start, eventually, server, prefix, asked, caplog, monkeypatch
):
    monkeypatch.setattr(pause_watch, "_told", set())
    looking.register("others", lambda message: None)
    for name in ("orders", "others"):
        server.faults["ListQueueTags", f"{prefix}__{name}"] = (403, "AccessDenied")
    with caplog.at_level(logging.WARNING, "django_sqs_kombu"):
        start(looking)
        eventually(lambda: made == ["first"])
        time.sleep(2)

    told = [
        r
        for r in caplog.records
        if "this worker keeps receiving, and would not notice a pause" in r.getMessage()
    ]
    assert len(told) == 1
    assert "sqs:ListQueueTags" in told[0].getMessage()
    assert asked("ListQueueTags") == 1


def test_keys_that_are_exchanged_do_not_end_the_looks(
    looking, made, start, eventually, server, prefix, asked
):
    """After one refusal a pause was not noticed for an hour."""
    server.faults["ListQueueTags", f"{prefix}__orders"] = (403, "InvalidClientTokenId")
    start(looking)

    eventually(lambda: made == ["first"], timeout=20)
    first = asked("ListQueueTags")
    eventually(lambda: asked("ListQueueTags") > first)


def test_a_server_that_knows_no_tags_is_polled_all_the_same(
    looking, made, start, eventually, server, prefix
):
    server.faults["ListQueueTags", f"{prefix}__orders"] = (500, "InternalFailure")
    start(looking)

    eventually(lambda: made == ["first"], timeout=20)


def test_a_throttled_look_does_not_resume_a_queue(
    looking, made, start, eventually, server, prefix, asked
):
    fault = "ListQueueTags", f"{prefix}__orders"
    looking.get("orders").pause()
    server.faults[fault] = (400, "RequestThrottled")
    start(looking)
    eventually(lambda: asked("ListQueueTags") >= 1)
    del server.faults[fault]
    eventually(lambda: asked("ListQueueTags") >= 2)
    server.faults[fault] = (400, "RequestThrottled")
    time.sleep(3)

    assert made == []
    del server.faults[fault]


def test_a_queue_from_which_nobody_takes_is_not_looked_at(looking, made, asked):
    channel = looking.new_connection().channel()
    channel.basic_consume(looking.get("orders").get_queue().name, False, lambda m: None, "tag")
    time.sleep(2)

    assert asked("ListQueueTags") == 0
    channel.connection.client.close()


def test_middleware_is_told_of_each_change(looking, made, start, eventually):
    noted = []

    class Noting(Middleware):
        def paused(self, registered, pause):
            noted.append((registered.name, pause and pause.reason))

    looking.middleware.append(Noting())
    start(looking)
    eventually(lambda: made)
    looking.get("orders").pause(reason="why")
    eventually(lambda: noted)
    looking.get("orders").resume()
    eventually(lambda: len(noted) == 2)
    time.sleep(1)

    assert noted == [("orders", "why"), ("orders", None)]


def test_a_tag_that_a_person_wrote_pauses_as_well(looking, made, sqs, prefix):
    url = sqs.get_queue_url(QueueName=f"{prefix}__orders")["QueueUrl"]
    sqs.tag_queue(QueueUrl=url, Tags={TAG: "by hand"})

    assert looking.get("orders").paused() == Pause(reason="by hand")


def test_other_tags_stay(looking, made, sqs, prefix):
    url = sqs.get_queue_url(QueueName=f"{prefix}__orders")["QueueUrl"]
    sqs.tag_queue(QueueUrl=url, Tags={"team": "shop"})
    looking.get("orders").pause()
    looking.get("orders").resume()

    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "shop"}


@pytest.mark.parametrize("reason", ["", "the bank is away", "ä/ö: 2 + 2 = 4"])
def test_a_tag_says_all_of_a_pause(reason):
    pause = Pause.starting_now(timedelta(hours=1), reason)

    assert Pause.of({TAG: pause.value}) == pause


@pytest.mark.parametrize(
    ("asked", "broken", "counts"),
    [
        (None, 60, "breaker"),
        (60, None, "person"),
        (3600, 60, "person"),
        (60, 3600, "breaker"),
        ("open", 3600, "person"),
        ("by hand", 3600, "person"),
        (-60, 60, "breaker"),
        (60, -60, "person"),
        (None, "open", None),
        (None, "by hand", None),
        (-60, -60, None),
    ],
)
def test_of_a_persons_pause_and_a_breakers_the_longer_counts(asked, broken, counts):
    now = datetime.now(timezone.utc)

    def value(seconds, reason):
        if seconds in ("open", "by hand"):
            return "by hand" if seconds == "by hand" else Pause(now, None, reason).value
        return Pause(now, now + timedelta(seconds=seconds), reason).value

    tags = {TAG: (asked, "person"), BREAKER_TAG: (broken, "breaker")}
    pause = Pause.of({tag: value(*each) for tag, each in tags.items() if each[0] is not None})

    assert (pause and ("breaker" if pause.by_breaker else "person")) == counts


def test_a_reason_becomes_what_aws_takes():
    pause = Pause.starting_now(None, "it's <b>down</b>\n" + "x" * 300)

    assert len(pause.value) == 256
    assert pause.value.partition(" ")[2].startswith("it s b down /b x")


def test_a_pause_that_is_over_is_none():
    began = datetime.now(timezone.utc) - timedelta(hours=2)

    assert Pause.of({TAG: Pause(began, began + timedelta(hours=1)).value}) is None
    assert Pause.of({}) is None
    assert Pause.of(None) is None


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 10**9, "1h"])
def test_a_length_that_cannot_be_is_refused(looking, made, seconds):
    with pytest.raises(ConfigurationError):
        looking.get("orders").pause(seconds)


def test_a_first_look_that_cannot_be_followed_is_made_again(
    looking, made, start, eventually, monkeypatch
):
    of, failing = Pause.of, [True]

    def once_failing(tags):
        if failing:
            failing.pop()
            raise ZeroDivisionError
        return of(tags)

    monkeypatch.setattr(pause_watch.Pause, "of", once_failing)
    start(looking)

    eventually(lambda: made == ["first"], timeout=10)


def test_a_tag_that_is_no_text_is_a_reason():
    assert Pause.of({TAG: 5}).reason == "5"


def test_a_profile_that_comes_later_is_found(made, prefix, server, start, eventually, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    later = Receivers(
        "sqs-batch://testing:testing-secret@",
        prefix=prefix,
        poll_period=1,
        transport_options={"endpoint_url": server.url},
    )
    got = []
    later.register("orders", lambda message: got.append(message.get_body()))
    start(later)
    time.sleep(1.5)
    assert got == []

    monkeypatch.delenv("AWS_PROFILE")

    eventually(lambda: got == ["first"], timeout=20)
