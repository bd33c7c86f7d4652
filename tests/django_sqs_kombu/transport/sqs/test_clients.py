"""An account: its names, its clients, how long they wait, and what a forked child has of it."""

import os
import time

import pytest

from django_sqs_kombu import (
    ConfigurationError,
    EndpointUnreachable,
    QueueNotPredefined,
    TimedOut,
)
from django_sqs_kombu.transport.sqs.clients import Account
from django_sqs_kombu.transport.sqs.requests import Requests
from django_sqs_kombu.working.deadline import deadline

MESSAGE = {"ReceiptHandle": "h", "MessageId": "m", "Body": "b"}
NO_TIMES = {"retries": {"total_max_attempts": 1}}


def account_with(scripted, **options):
    options = {"region": "us-east-1", "client-config": NO_TIMES, **options}
    return Account(options, access_key_id="KEY", secret_access_key="s", endpoint=scripted.url)


def test_names_are_spelt_as_kombu_spells_them(scripted):
    account = account_with(scripted, queue_name_prefix="shop.")

    assert account.canonical("a.b/c-d_e") == "shop-a-b_c-d_e"
    assert account.canonical("a.b.fifo") == "shop-a-b.fifo"


@pytest.mark.parametrize("given", ["orders", "p-orders"])
def test_a_predefined_queue_is_found_with_and_without_the_prefix(scripted, given):
    url = f"{scripted.url}/1/the-queue"
    account = account_with(
        scripted, queue_name_prefix="p-", predefined_queues={given: {"url": url, "region": "r"}}
    )

    assert account.url("orders") == url
    assert account.client("orders").meta.region_name == "r"
    assert account.predefined["orders"] is account.predefined["p-orders"]


def test_a_queue_that_is_not_predefined_is_never_asked_for(scripted):
    account = account_with(scripted, predefined_queues={"orders": {"url": "http://q"}})
    requests = Requests(account)

    for ask in (account.url, account.client, requests.url, requests.counts):
        with pytest.raises(QueueNotPredefined, match="'others' must be defined in 'predefined_q"):
            ask("others")
    assert not requests.facts("others").known
    assert scripted.asked == []


def test_queues_with_the_same_credentials_share_a_client(scripted):
    own = {"access_key_id": "OWN", "secret_access_key": "s"}
    account = account_with(
        scripted,
        predefined_queues={
            "a": {"url": "http://a"},
            "b": {"url": "http://b"},
            "c": {"url": "http://c", **own},
        },
    )

    assert account.client("a") is account.client("b")
    assert account.client("a") is not account.client("c")


def test_a_session_token_goes_with_the_keys_that_it_was_given_with(scripted):
    account = account_with(
        scripted,
        session_token="ours",
        predefined_queues={
            "ours": {"url": "http://a"},
            "theirs": {
                "url": "http://b",
                "access_key_id": "OWN",
                "secret_access_key": "s",
                "session_token": "theirs",
            },
            "lasting": {"url": "http://c", "access_key_id": "OLD", "secret_access_key": "s"},
        },
    )

    found = {name: account.identity(name).session_token for name in ("ours", "theirs", "lasting")}

    assert found == {"ours": "ours", "theirs": "theirs", "lasting": None}


def test_secrets_are_not_printed(scripted):
    account = account_with(scripted, session_token="TOKEN-SECRET")

    assert "SECRET" not in repr(account.identity())


def test_everything_but_a_long_poll_has_short_timeouts(scripted):
    account = Account({"region": "us-east-1"}, endpoint=scripted.url)

    for client in (account.client("q"), account.client("q", once=True), account.s3()):
        config = client.meta.config
        assert (config.connect_timeout, config.read_timeout) == (3, 5)
    assert account.client("q", once=True).meta.config.retries["total_max_attempts"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("wait_time", [0, 2])
def test_a_poll_waits_as_long_as_it_asked_to_and_a_little_longer(scripted, wait_time):
    account = account_with(scripted, **{"client-config": {"read_timeout": 1}})
    requests = Requests(account)
    requests.url("orders")
    scripted.answers["ReceiveMessage"] = lambda asked: time.sleep(asked["WaitTimeSeconds"]) or {}

    assert requests.receive("orders", 1, wait_time, None) == []

    scripted.answers["ReceiveMessage"] = lambda asked: time.sleep(wait_time + 6) or {}
    started = time.monotonic()
    with pytest.raises(EndpointUnreachable) as caught:
        requests.receive("orders", 1, wait_time, None)
    assert caught.value.passing
    assert wait_time + 0.9 <= time.monotonic() - started < wait_time + 5


def test_a_settlement_on_a_silent_connection_is_tried_once(scripted):
    account = account_with(scripted, **{"client-config": {"read_timeout": 1}})
    requests = Requests(account)
    requests.url("orders")
    for operation in ("DeleteMessageBatch", "ChangeMessageVisibilityBatch"):
        scripted.answers[operation] = lambda asked: time.sleep(5) or {}

    for settle in (
        lambda: requests.delete_batch("orders", [MESSAGE]),
        lambda: requests.change_visibility_batch("orders", [MESSAGE], [60]),
    ):
        started = time.monotonic()
        with pytest.raises(EndpointUnreachable):
            settle()
        assert time.monotonic() - started < 4
    assert scripted.counts["DeleteMessageBatch"] == 1
    assert scripted.counts["ChangeMessageVisibilityBatch"] == 1


def test_a_forked_child_has_clients_and_locks_of_its_own(account, requests, scripted):
    requests.url("orders")
    clients = account.client("orders"), account.client("orders", once=True)
    # As another thread would hold them at the moment of the fork.
    account._making.acquire()
    requests._counting.acquire()

    child = os.fork()
    if child == 0:
        status = 1
        try:
            requests.call("PurgeQueue", "orders")
            new = account.client("orders"), account.client("orders", once=True)
            status = 0 if not set(map(id, new)) & set(map(id, clients)) else 2
        finally:
            os._exit(status)
    account._making.release()
    requests._counting.release()

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert account.client("orders") is clients[0]
    requests.call("PurgeQueue", "orders")
    assert scripted.counts["PurgeQueue"] == 2


def test_an_endpoint_that_is_no_url_is_told_before_any_request(scripted):
    account = Account({"region": "us-east-1"}, endpoint="localhost:4566")

    with pytest.raises(ConfigurationError, match="localhost:4566"):
        Requests(account).url("orders")


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_a_file_with_certificates_that_is_not_there_is_named(monkeypatch, variable):
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, "/nowhere/bundle.pem")
    account = Account({"region": "us-east-1"}, endpoint="https://127.0.0.1:9")

    with pytest.raises(ConfigurationError, match=f"{variable} names '/nowhere/bundle.pem'"):
        Requests(account).url("orders")
    with pytest.raises(ConfigurationError, match=variable):
        Account({"region": "us-east-1"}).s3()


def test_certificates_do_not_matter_without_tls(monkeypatch, scripted):
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere/bundle.pem")

    assert Requests(account_with(scripted)).url("orders")


def test_a_file_without_certificates_is_named(monkeypatch, scripted, tmp_path):
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("certificates were to be here")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    account = Account(
        {"region": "us-east-1", "client-config": NO_TIMES},
        access_key_id="k",
        secret_access_key="s",
        endpoint=scripted.url.replace("http:", "https:"),
    )

    with pytest.raises(EndpointUnreachable, match=r"bundle\.pem', as AWS_CA_BUNDLE says"):
        Requests(account).url("orders")


def test_a_receivers_timeout_ends_a_request_as_itself(requests, scripted):
    requests.url("orders")
    scripted.answers["PurgeQueue"] = lambda asked: time.sleep(2) or b""

    with pytest.raises(TimedOut), deadline(0.5):
        requests.call("PurgeQueue", "orders")
