"""Signatures: ours are botocore's."""

import calendar
import time

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from django_sqs_kombu.transport.sqs.wire.signing import Keys, Signer, host_of

SIGNED = {"content-type": "application/x-amz-json-1.0", "x-amzn-query-mode": "true"}
TARGET = "AmazonSQS.SendMessage"
LABEL = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1)
HOSTS = st.one_of(
    st.lists(LABEL, min_size=1, max_size=4).map(".".join), st.just("[::1]"), st.just("127.0.0.1")
)
PORTS = st.one_of(st.just(""), st.integers(1, 65535).map(":{}".format))
PATHS = st.sampled_from(["", "/", "/a/b", "/a//b/", "/a/../b", "/.", "/über ~x", "/%41"])
URLS = st.builds("{}://{}{}{}".format, st.sampled_from(["http", "https"]), HOSTS, PORTS, PATHS)
#: What credentials are made of.
SECRETS = st.text("abcABC019/+=", min_size=1)


# A first example may wait for a busy machine.
@settings(deadline=None)
@given(
    url=URLS,
    region=st.sampled_from(["eu-west-1", "cn-north-1", "us-gov-west-1"]),
    keys=st.builds(Keys, SECRETS, SECRETS, st.one_of(st.none(), SECRETS)),
    body=st.binary(max_size=200),
)
def test_every_request_is_signed_as_botocore_signs_it(url, region, keys, body):
    request = AWSRequest("POST", url, {**SIGNED, "x-amz-target": TARGET}, body)
    SigV4Auth(Credentials(*keys), "sqs", region).add_auth(request)
    moment = time.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ")

    lines = Signer(url, region, SIGNED).sign(keys, TARGET, body, calendar.timegm(moment))

    headers = dict(line.split(": ", 1) for line in lines)
    for name in ("Authorization", "X-Amz-Date", "X-Amz-Security-Token"):
        assert headers.get(name) == request.headers[name]


def test_the_key_of_a_day_is_kept_for_one_day_and_one_secret():
    signer = Signer("http://localhost", "eu-west-1", SIGNED)

    for secret, at in (("one", 0), ("two", 0), ("two", 86_400), ("one", 1), ("one", 86_399)):
        keys = Keys("key", secret, None)
        another = Signer("http://localhost", "eu-west-1", SIGNED)
        assert signer.sign(keys, TARGET, b"", at) == another.sign(keys, TARGET, b"", at)


def test_a_signature_is_used_again_for_the_same_request_alone():
    signer = Signer("http://localhost", "eu-west-1", SIGNED)
    keys = Keys("key", "one", None)
    first = signer.sign(keys, TARGET, b"{}", 1.0)

    assert signer.sign(keys, TARGET, b"{}", 1.9) is first
    for keys_, target, body, at in (
        (keys, TARGET, b"[]", 1.0),
        (keys, "AmazonSQS.DeleteMessage", b"{}", 1.0),
        (Keys("key", "one", "token"), TARGET, b"{}", 1.0),
        (keys, TARGET, b"{}", 2.0),
        (keys, TARGET, b" " * 100_000, 1.0),
    ):
        another = Signer("http://localhost", "eu-west-1", SIGNED)
        assert signer.sign(keys_, target, body, at) == another.sign(keys_, target, body, at)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://SQS.eu-west-1.Amazonaws.com:443/", "sqs.eu-west-1.amazonaws.com"),
        ("http://localhost:443", "localhost:443"),
        ("http://user:secret@[::1]:80/x", "[::1]"),
    ],
)
def test_a_host_is_named_without_what_does_not_matter(url, host):
    assert host_of(url) == host
