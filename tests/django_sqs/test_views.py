"""The status view."""

import pytest
from django.test import RequestFactory

import django_sqs
from django_sqs.views import status

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


def test_status_is_plain_text_as_the_original(client, server):
    django_sqs.send("plain", body="x")
    django_sqs.send("plain", body="y", suffix="big")

    response = client.get("/sqs/status/")

    assert response.status_code == 200
    assert response["Content-Type"] == "text/plain"
    lines = response.content.decode().split("\n")
    assert lines[:3] == ["plain\t1", "plain__big\t1", "plain__small\t0"]
    assert len(lines) == sum(1 + len(q.suffixes) for q in django_sqs.queues.values())


def test_status_is_cached(client, server, site):
    name = django_sqs.queues["plain"].full_name()
    django_sqs.send("plain", body="x")
    client.get("/sqs/status/")
    asked = server.count("GetQueueAttributes", name)

    client.get("/sqs/status/")
    assert server.count("GetQueueAttributes", name) == asked == 1


def test_status_cache_can_be_switched_off(client, server, site):
    site.SQS_STATUS_CACHE_TIMEOUT = 0
    client.get("/sqs/status/")
    django_sqs.send("plain", body="x")

    assert client.get("/sqs/status/").content.startswith(b"plain\t1\n")


def test_status_says_when_sqs_cannot_be_asked(client, server):
    django_sqs.send("plain", body="x")
    name = django_sqs.queues["plain"].full_name()
    server.faults["GetQueueAttributes", name] = (403, "AccessDenied")

    response = client.get("/sqs/status/")

    del server.faults["GetQueueAttributes", name]
    assert response.status_code == 503
    assert b"Access denied" in response.content


def test_status_only_reads(client):
    assert client.post("/sqs/status/").status_code == 405
