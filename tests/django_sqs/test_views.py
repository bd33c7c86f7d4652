"""The status view."""

import threading
import time
from urllib.parse import urlsplit

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from django.utils.deprecation import MiddlewareMixin

import django_sqs
from django_sqs.registry import receivers
from django_sqs.views import UNTOLD, status

from ..faults.proxy import FaultProxy

TOKEN = "a-token-of-sixteen-or-more"


@pytest.fixture
def client(client, site):
    site.SQS_VIEW_TOKEN = TOKEN
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    return client


@pytest.mark.parametrize(
    "header", [None, "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \xe9"]
)
def test_status_is_closed_to_strangers(client, header):
    client.defaults.pop("HTTP_AUTHORIZATION")
    extra = {} if header is None else {"HTTP_AUTHORIZATION": header}

    response = client.get("/sqs/status/", **extra)

    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert b"plain" not in response.content


def test_without_a_token_no_token_opens(client, site):
    site.SQS_VIEW_TOKEN = None

    for header in ("Bearer ", "Bearer None"):
        assert client.get("/sqs/status/", HTTP_AUTHORIZATION=header).status_code == 401


class User:
    def __init__(self, *, is_staff, is_active=True):
        self.is_staff = is_staff
        self.is_active = is_active


@pytest.mark.parametrize(
    ("user", "code"),
    [
        (User(is_staff=True), 200),
        (User(is_staff=False), 401),
        (User(is_staff=True, is_active=False), 401),
    ],
)
def test_status_is_open_to_staff(user, code, server):
    request = RequestFactory().get("/sqs/status/")
    request.user = user

    assert status(request).status_code == code


def test_status_is_public_where_a_setting_says_so(client, site):
    client.defaults.pop("HTTP_AUTHORIZATION")
    site.SQS_VIEWS_PUBLIC = True

    assert client.get("/sqs/status/").status_code == 200


def test_status_is_plain_text_as_the_original(client, server, site, eventually):
    # On a busy machine a server may not have answered for all queues within the 5 seconds.
    site.SQS_STATUS_CACHE_TIMEOUT = 0
    django_sqs.send("plain", body="x")
    django_sqs.send("plain", body="y", suffix="big")

    eventually(lambda: client.get("/sqs/status/").status_code == 200)
    response = client.get("/sqs/status/")

    assert response.status_code == 200
    assert response["Content-Type"] == "text/plain"
    lines = response.content.decode().split("\n")
    own = [line for line in lines if line.startswith("plain")]
    assert own == ["plain\t1", "plain__big\t1", "plain__small\t0"]
    assert len(lines) == sum(1 + len(q.suffixes) for q in django_sqs.queues.values())


def test_status_is_cached(client, server, site):
    name = django_sqs.queues["plain"].full_name()
    django_sqs.send("plain", body="x")
    client.get("/sqs/status/")
    asked = server.count("GetQueueAttributes", name)

    client.get("/sqs/status/")
    assert server.count("GetQueueAttributes", name) == asked == 1


def test_status_gives_no_queue_the_count_of_another_releases(client, server, monkeypatch):
    django_sqs.send("light", body="x")
    told = []
    for name in ("light", "copy"):
        chosen = [django_sqs.queues[name]]
        monkeypatch.setattr(receivers, "select", lambda chosen=chosen: chosen)
        told.append(client.get("/sqs/status/").content)

    # In between, or in another process on the same cache, as many queues were registered.
    assert told == [b"light\t1", b"copy\t0"]


def test_status_cache_can_be_switched_off(client, server, site):
    site.SQS_STATUS_CACHE_TIMEOUT = 0
    client.get("/sqs/status/")
    django_sqs.send("plain", body="x")

    assert b"plain\t1\n" in client.get("/sqs/status/").content


def test_status_says_when_sqs_cannot_be_asked(client, server):
    django_sqs.send("plain", body="x")
    name = django_sqs.queues["plain"].full_name()
    server.faults["GetQueueAttributes", name] = (403, "AccessDenied")

    response = client.get("/sqs/status/")

    del server.faults["GetQueueAttributes", name]
    assert response.status_code == 503
    assert b"Access denied" in response.content


@pytest.fixture
def hanging(server, site, eventually):
    """An SQS that takes requests and answers none."""
    proxy = FaultProxy(urlsplit(server.url).port)
    proxy.set("hung")
    site.SQS_ENDPOINT_URL = proxy.url
    yield proxy
    proxy.stop()
    # Those that still ask it would keep the next test waiting.
    eventually(lambda: "sqs-asking" not in {t.name for t in threading.enumerate()}, timeout=90)


@pytest.mark.slow
def test_status_of_an_sqs_that_hangs_is_told_soon_and_kept(client, hanging):
    started = time.monotonic()
    first = client.get("/sqs/status/")
    took = time.monotonic() - started
    asked = hanging.tried
    again = client.get("/sqs/status/")

    assert first.status_code == again.status_code == 503
    assert b"has not answered" in first.content
    # In all, not for each queue: there are twenty.
    assert took < 15
    assert hanging.tried - asked < 17
    assert threading.active_count() < 100


def test_the_public_is_not_told_what_sqs_says(client, server, site, caplog):
    client.defaults.pop("HTTP_AUTHORIZATION")
    site.SQS_VIEWS_PUBLIC = True
    django_sqs.send("plain", body="x")
    name = django_sqs.queues["plain"].full_name()
    with server.refusing("GetQueueAttributes", name):
        told = client.get("/sqs/status/")
        known = client.get("/sqs/status/", HTTP_AUTHORIZATION=f"Bearer {TOKEN}")

    assert told.status_code == known.status_code == 503
    assert told.content == f"{UNTOLD}\n".encode()
    assert b"Access denied" in known.content
    assert "Access denied" in caplog.text


def test_status_tells_dead_letters_where_they_are_asked_for(
    client, server, site, sqs, prefix, eventually
):
    # As above: not within the 5 seconds.
    site.SQS_STATUS_CACHE_TIMEOUT = 0
    django_sqs.send("watched", body="x")
    url = sqs.get_queue_url(QueueName=f"{prefix}__watched-dead")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="dead")

    def asked():
        response = client.get("/sqs/status/?dead-letters=yes")
        return response.status_code == 200 and response.content.decode().split("\n")

    lines = eventually(asked)
    assert "watched\t1\t1" in lines
    assert "plain\t0\t-" in lines


def test_djangos_login_middleware_leaves_the_views_to_the_token(client, site):
    site.MIDDLEWARE = ["tests.django_sqs.test_views.login_required"]

    assert client.get("/sqs/status/").status_code == 200
    assert client.post("/sqs/wake/").status_code == 409
    assert client.get("/sqs/status/", HTTP_AUTHORIZATION="").status_code == 401


def login_required(get_response):
    """Django's LoginRequiredMiddleware; it can only be imported where auth is installed."""

    class Middleware(MiddlewareMixin):
        def process_view(self, request, view, args, kwargs):
            return HttpResponse(status=302) if getattr(view, "login_required", True) else None

    return Middleware(get_response)


def test_status_only_reads(client):
    assert client.post("/sqs/status/").status_code == 405
