"""The status view."""

import django_sqs


def test_status_is_plain_text_as_the_original(client, server):
    django_sqs.send("plain", body="x")
    django_sqs.send("plain", body="y", suffix="big")

    response = client.get("/sqs/status/")

    assert response.status_code == 200
    assert response["Content-Type"] == "text/plain"
    lines = response.content.decode().split("\n")
    assert lines[:3] == ["plain\t1", "plain__big\t1", "plain__small\t0"]
    assert len(lines) == len(django_sqs.queues) + 2


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
