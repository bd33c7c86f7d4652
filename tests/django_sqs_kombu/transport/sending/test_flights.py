"""Flights: a bulk send hides how far SQS is away, over either wire, and loses nothing by it."""

import queue
import threading
import time
from collections import Counter, defaultdict

import pytest

from django_sqs_kombu import EndpointUnreachable, SendManyFailed, TimedOut
from django_sqs_kombu.transport.sending import flights
from django_sqs_kombu.transport.sending.bulk import BulkSend
from django_sqs_kombu.transport.sqs.clients import Account
from django_sqs_kombu.transport.sqs.requests import Requests
from django_sqs_kombu.working.deadline import deadline

from ..sqs.conftest import Scripted


class FarAway(Scripted):
    """Stands for an SQS that answers after a while.

    :ivar refuse: why it refuses an entry, by its body, as (code, whether that is its sender's
        fault), for each time that it comes.
    """

    def __init__(self, seconds=0.0):
        super().__init__()
        self.seconds = seconds
        self.accepted = []
        self.refuse = {}
        self.under_way = self.most = 0
        self.groups_under_way = Counter()
        self.groups_at_once = 0
        self._lock = threading.Lock()
        self.answers["SendMessage"] = lambda params: self._send([params], lambda done: done[0])
        self.answers["SendMessageBatch"] = lambda params: self._send(params["Entries"], _listed)

    def _send(self, entries, written):
        groups = Counter(entry.get("MessageGroupId") for entry in entries)
        with self._lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            self.groups_under_way += groups
            self.groups_at_once = max(self.groups_at_once, *self.groups_under_way.values())
        time.sleep(self.seconds)
        with self._lock:
            self.under_way -= 1
            self.groups_under_way -= groups
            return written([self._entry(entry) for entry in entries])

    def _entry(self, entry):
        if self.refuse.get(entry["MessageBody"]):
            code, fault = self.refuse[entry["MessageBody"]].pop(0)
            return {"Id": entry.get("Id"), "Code": code, "Message": "No", "SenderFault": fault}
        self.accepted.append(entry["MessageBody"])
        return {"Id": entry.get("Id"), "MessageId": "m"}


def _listed(done):
    return {
        "Successful": [entry for entry in done if "Code" not in entry],
        "Failed": [entry for entry in done if "Code" in entry],
    }


@pytest.fixture
def far_away():
    server = FarAway()
    yield server
    server.close()


@pytest.fixture(params=["auto", "botocore"])
def wire(request):
    return request.param


@pytest.fixture
def send(far_away, wire):
    """Send items that are bodies, or (group, body)."""
    options = {
        "region": "us-east-1",
        "wire": wire,
        "client-config": {"retries": {"total_max_attempts": 2, "mode": "standard"}},
    }
    account = Account(options, access_key_id="k", secret_access_key="s", endpoint=far_away.url)
    requests = Requests(account)
    # So that libcurl is known to serve, as in a process that has sent before.
    requests.send_batch("orders", [{"MessageBody": "first"}])
    requests.send_batch("orders.fifo", [{"MessageBody": "first", "MessageGroupId": "first"}])
    far_away.accepted.clear()
    far_away.most = 0

    def send(items, queue="orders", parallel=None, progress=None):
        return BulkSend(requests, queue, parallel, progress).run(items, encode)

    send.requests = requests
    return send


def encode(item):
    if isinstance(item, tuple):
        return {"MessageBody": item[1], "MessageGroupId": item[0]}
    return {"MessageBody": item}


def test_as_many_requests_are_under_way_as_hide_the_latency(far_away, send, wire):
    far_away.seconds = 0.2
    bodies = [str(number) for number in range(600)]
    started = time.monotonic()

    assert send(bodies) == 600

    # One after another, the requests would take 12 s.
    assert time.monotonic() - started < (4 if wire == "auto" else 7)
    assert (4 < far_away.most <= 16) if wire == "auto" else far_away.most == 4
    assert sorted(far_away.accepted, key=int) == bodies


def test_over_libcurl_no_thread_waits_for_an_answer(far_away, send, wire, monkeypatch):
    far_away.seconds = 0.05
    jobs = []
    run = flights._threads.run
    monkeypatch.setattr(flights._threads, "run", lambda job: jobs.append(job) or run(job))

    send(map(str, range(300)))

    assert len(jobs) == (0 if wire == "auto" else 30)


def test_no_more_requests_are_under_way_than_was_said(far_away, send):
    far_away.seconds = 0.05

    send(map(str, range(200)), parallel=2)

    assert far_away.most == 2


def test_items_are_read_as_they_are_sent(far_away, send):
    far_away.seconds = 0.02
    read, ahead = [], []

    def items():
        for number in range(1_500):
            read.append(number)
            yield str(number)

    send(items(), progress=lambda sent: ahead.append(len(read) - sent))

    # 16 requests, and one that is prepared.
    assert max(ahead) <= 170
    assert len(far_away.accepted) == 1_500


def test_items_that_come_slowly_time_no_request_out(far_away, send):
    far_away.seconds = 0.05

    def items():
        for number in range(30):
            if number % 10 == 9:
                # Longer than an answer may take.
                time.sleep(0.7)
            yield str(number)

    send.requests.account.read_timeout = 0.3
    assert send(items()) == 30
    assert len(far_away.accepted) == 30


def test_a_request_that_fails_is_tried_again_by_botocores_rules(far_away, send):
    answer = far_away.answers["SendMessageBatch"]
    asked = []

    def fail_once(params):
        asked.append(params["Entries"][0]["MessageBody"])
        if asked.count(asked[-1]) == 1 and asked[-1] in ("10", "30"):
            return 500, {"__type": "InternalFailure", "message": "Away"}
        return answer(params)

    far_away.answers["SendMessageBatch"] = fail_once

    assert send(map(str, range(50))) == 50
    assert Counter(far_away.accepted) == Counter(map(str, range(50)))
    assert Counter(asked) == {"0": 1, "10": 2, "20": 1, "30": 2, "40": 1}


def test_what_sqs_fails_is_tried_again_and_that_alone(far_away, send):
    far_away.refuse = {"3": [("InternalError", False)], "14": [("InternalError", False)] * 2}

    assert send(map(str, range(30))) == 30
    assert Counter(far_away.accepted) == Counter(map(str, range(30)))


def test_what_is_refused_for_its_content_harms_none_of_its_neighbours(far_away, send):
    answer = far_away.answers["SendMessageBatch"]

    def refuse(params):
        if any(entry["MessageBody"] == "13" for entry in params["Entries"]):
            return 400, {"__type": "InvalidParameterValue", "message": "No"}
        return answer(params)

    far_away.answers["SendMessageBatch"] = refuse
    one = far_away.answers["SendMessage"]
    far_away.answers["SendMessage"] = lambda params: (
        (400, {"__type": "InvalidParameterValue", "message": "No"})
        if params["MessageBody"] == "13"
        else one(params)
    )

    with pytest.raises(SendManyFailed) as caught:
        send(map(str, range(30)))

    assert [failure.number for failure in caught.value.failures] == [13]
    assert caught.value.untried_from is None
    assert Counter(far_away.accepted) == Counter(set(map(str, range(30))) - {"13"})


def deny_after(count, far_away):
    """Have all batches denied after so many."""
    answer = far_away.answers["SendMessageBatch"]
    asked = []

    def deny(params):
        asked.append(params)
        if len(asked) > count:
            return 403, {"__type": "AccessDenied", "message": "No"}
        return answer(params)

    far_away.answers["SendMessageBatch"] = deny


def test_a_refusal_of_another_kind_ends_it_with_an_account(far_away, send):
    deny_after(5, far_away)

    with pytest.raises(SendManyFailed) as caught:
        send(map(str, range(10_000)))

    failed = {failure.item for failure in caught.value.failures}
    assert caught.value.sent == len(far_away.accepted) == 50
    assert failed | set(far_away.accepted) == set(map(str, range(caught.value.untried_from)))
    assert not failed & set(far_away.accepted)
    assert caught.value.untried_from <= 50 + 170


def test_nobody_at_the_endpoint_ends_it_with_an_account(far_away, send):
    far_away.close()

    with pytest.raises(SendManyFailed) as caught:
        send(map(str, range(10_000)))

    # Its kept connections may live a little longer.
    assert caught.value.sent == len(far_away.accepted) < 300
    assert isinstance(caught.value.failures[0].error, EndpointUnreachable)
    tried = caught.value.sent + len(caught.value.failures)
    assert tried == caught.value.untried_from <= 600


def test_many_groups_of_a_fifo_queue_share_requests_and_never_overtake(far_away, send):
    far_away.seconds = 0.03
    items = [(f"g{number % 90}", f"{number % 90}-{number // 90}") for number in range(900)]
    started = time.monotonic()

    assert send(items, "orders.fifo") == 900

    # Groups apart, 900 requests one after another would take 27 s.
    assert time.monotonic() - started < 8
    assert far_away.groups_at_once == 1
    assert far_away.most > 2
    by_group = defaultdict(list)
    for body in far_away.accepted:
        group, number = body.split("-")
        by_group[group].append(int(number))
    assert all(numbers == list(range(10)) for numbers in by_group.values())


def test_the_rest_of_a_group_fails_with_its_message_that_failed(far_away, send):
    far_away.refuse = {"b-2": [("InvalidMessageContents", True)]}
    items = [(group, f"{group}-{number}") for number in range(120) for group in "abc"]

    with pytest.raises(SendManyFailed) as caught:
        send(items, "orders.fifo")

    assert caught.value.sent == len(far_away.accepted) == 242
    failures = caught.value.failures
    assert [failure.item[1] for failure in failures] == [f"b-{n}" for n in range(2, 120)]
    assert "earlier message of its group 'b'" in str(failures[1].error)
    assert caught.value.untried_from is None


def test_a_stop_in_a_fifo_queue_tells_of_all_that_was_read(far_away, send):
    deny_after(4, far_away)
    items = ((f"g{number % 20}", str(number)) for number in range(100_000))

    with pytest.raises(SendManyFailed) as caught:
        send(items, "orders.fifo")

    failed = {failure.item[1] for failure in caught.value.failures}
    assert failed | set(far_away.accepted) == set(map(str, range(caught.value.untried_from)))
    assert len(failed) + caught.value.sent == caught.value.untried_from < 1_000


def test_a_receivers_timeout_ends_it(far_away, send):
    far_away.seconds = 0.1
    started = time.monotonic()

    def items():
        number = 0
        while True:
            number += 1
            yield str(number)

    with pytest.raises(TimedOut), deadline(1.0):
        send(items())

    assert time.monotonic() - started < 5
    assert send(["after"]) == 1


def test_a_queue_written_in_python_that_takes_no_idle_timeout_serves_as_well(
    far_away, send, monkeypatch
):
    class Strict(queue.SimpleQueue):
        """As eventlet's, and Python's own where it has no other."""

        def get(self, block=True, timeout=None):
            if timeout is not None and not block:
                raise ValueError("timeout= makes no sense without block=")
            return super().get(block, timeout)

    monkeypatch.setattr(flights.stdlib_queue, "SimpleQueue", Strict)

    assert send(map(str, range(300))) == 300
    assert len(far_away.accepted) == 300
