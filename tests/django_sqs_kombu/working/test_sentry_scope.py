"""What a receiver tells Sentry of its message is told of no other."""

import asyncio

import pytest

from django_sqs_kombu import ReceiverConsumer
from django_sqs_kombu.testing import eager
from django_sqs_kombu.working.sentry_scope import fork_scopes

sentry_sdk = pytest.importorskip("sentry_sdk")
if not hasattr(sentry_sdk, "is_initialized"):
    pytest.skip("Sentry's SDK is older than 2.0", allow_module_level=True)

from sentry_sdk.integrations.logging import LoggingIntegration  # noqa: E402
from sentry_sdk.integrations.threading import ThreadingIntegration  # noqa: E402
from sentry_sdk.transport import Transport  # noqa: E402

#: (options of the queue, options of the consumer, whether the receiver is asynchronous)
WAYS = {
    "alone": ({}, {}, False),
    "threads": ({}, {"threads": 2}, False),
    "batch": ({"batch": 1}, {}, False),
    "asynchronous": ({}, {}, True),
    "coroutines": ({}, {"coroutines": 2}, True),
    "timeout": ({"timeout": 5}, {}, False),
}


class Kept(Transport):
    """Keeps the reports."""

    def __init__(self, reports):
        super().__init__()
        self._reports = reports

    def capture_envelope(self, envelope):
        if event := envelope.get_event():
            self._reports.append(event)


@pytest.fixture
def reports():
    reports = []
    sentry_sdk.init(
        "http://key@127.0.0.1:9/1",
        transport=Kept(reports),
        default_integrations=False,
        integrations=[LoggingIntegration(), ThreadingIntegration()],
        auto_session_tracking=False,
    )
    try:
        with sentry_sdk.isolation_scope() as scope:
            scope.set_tag("site", "shop")
            yield reports
    finally:
        sentry_sdk.get_client().close()
        sentry_sdk.get_global_scope().set_client(None)


def note(body, seen):
    scope = sentry_sdk.get_isolation_scope()
    seen.append((body, dict(scope._tags), [each["message"] for each in scope._breadcrumbs]))
    sentry_sdk.set_tag(f"tag-{body}", body)
    sentry_sdk.get_current_scope().set_tag("current", body)
    sentry_sdk.set_user({"id": body})
    sentry_sdk.add_breadcrumb(message=body)


@pytest.mark.parametrize(("options", "consumer", "asynchronous"), WAYS.values(), ids=WAYS)
def test_what_a_receiver_sets_is_reported_with_its_own_message_only(
    receivers, reports, options, consumer, asynchronous
):
    seen = []

    def receive(message):
        [message] = message if "batch" in options else [message]
        note(message.get_body(), seen)
        raise ValueError(message.get_body())

    async def receive_async(message):
        note(message.get_body(), seen)
        await asyncio.sleep(0)
        raise ValueError(message.get_body())

    receivers.register("orders", receive_async if asynchronous else receive, **options)
    receivers.send_many("orders", list("abcd"))
    ReceiverConsumer(receivers, message_limit=4, **consumer).run()

    assert sorted(body for body, _, _ in seen) == list("abcd")
    assert all((tags, crumbs) == ({"site": "shop"}, []) for _, tags, crumbs in seen)
    failures = [each for each in reports if each.get("exception")]
    assert len(failures) == 4
    for each in failures:
        body = each["exception"]["values"][-1]["value"]
        tags = {name: value for name, value in each["tags"].items() if name.startswith("tag-")}
        assert (tags, each["user"]) == ({f"tag-{body}": body}, {"id": body})
        assert each["breadcrumbs"]["values"][0]["message"] == body
    # What surrounds the messages has nothing of them.
    assert sentry_sdk.get_isolation_scope()._tags == {"site": "shop"}
    assert "current" not in sentry_sdk.get_current_scope()._tags


def test_a_message_in_eager_mode_leaves_the_tags_of_its_request_alone(receivers, reports):
    seen = []
    receivers.register("orders", lambda message: note(message.get_body(), seen))
    with eager(receivers):
        receivers.send("orders", body="a")

    assert seen == [("a", {"site": "shop"}, [])]
    assert sentry_sdk.get_isolation_scope()._tags == {"site": "shop"}


def test_a_sentry_that_fails_costs_no_message(receivers, reports, monkeypatch, caplog):
    monkeypatch.setattr(sentry_sdk.Scope, "set_isolation_scope", lambda scope: 1 / 0)
    seen = []
    receivers.register("orders", lambda message: seen.append(message.get_body()))
    receivers.send("orders", body="a")
    ReceiverConsumer(receivers, message_limit=1).run()

    assert seen == ["a"]
    assert "Sentry has no scope of its own" in caplog.text


def test_where_sentry_is_not_initialized_nothing_is_done():
    before = sentry_sdk.get_isolation_scope()
    fork_scopes()

    assert sentry_sdk.get_isolation_scope() is before
