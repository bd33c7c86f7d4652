"""The way to SQS over libcurl: certificates and proxies as botocore would have them."""

import contextlib
import select
import socket
import threading

import pytest

from django_sqs_kombu import EndpointUnreachable
from django_sqs_kombu.transport.sqs.clients import Account
from django_sqs_kombu.transport.sqs.requests import Requests

from ..conftest import QUEUE_URL, Scripted
from .certificates import Authority

VARIABLES = (
    *("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"),
    *(
        name
        for lower in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
        for name in (lower, lower.upper())
    ),
)


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def serve():
    """Start a server that stands for SQS, with TLS or without."""
    with contextlib.ExitStack() as stack:

        def serve(tls=None):
            scripted = Scripted(tls)
            stack.callback(scripted.close)
            scripted.answers["ReceiveMessage"] = {"Messages": []}
            return scripted

        yield serve


@pytest.fixture
def proxy():
    proxy = Proxy()
    yield proxy
    proxy.close()


class Proxy:
    """An HTTP proxy; :attr:`lines` are the first lines of what it was asked."""

    def __init__(self):
        self.lines = []
        self.heads = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listening.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with contextlib.suppress(OSError), client:
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(1)
            method, target, _ = head.split(b" ", 2)
            self.lines.append(f"{method.decode()} {target.decode()}")
            self.heads.append(head.decode())
            address = target.removeprefix(b"http://").partition(b"/")[0].decode()
            host, _, port = address.rpartition(":")
            with socket.create_connection((host, int(port))) as upstream:
                if method == b"CONNECT":
                    client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                else:
                    upstream.sendall(head)
                self._pipe(client, upstream)

    def _pipe(self, *pair):
        while True:
            readable, _, _ = select.select(pair, [], [], 10)
            if not readable:
                return
            for each in readable:
                data = each.recv(65536)
                if not data:
                    return
                pair[1 - pair.index(each)].sendall(data)


def ask(scripted, **options):
    """Receive once over libcurl; return what came."""
    options = {
        "region": "us-east-1",
        "client-config": {"connect_timeout": 3, "read_timeout": 5, **options},
    }
    account = Account(options, access_key_id="k", secret_access_key="s", endpoint=scripted.url)
    account.urls["orders"] = QUEUE_URL
    assert account.lane("orders") is not None
    return Requests(account).receive("orders", 1, 0, None)


def test_a_certificate_of_an_authority_that_is_not_believed_is_refused(serve, authority):
    scripted = serve(authority.tls())

    with pytest.raises(EndpointUnreachable, match="SSL"):
        ask(scripted)
    assert scripted.asked == []


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_the_authorities_of_a_file_are_believed(serve, authority, monkeypatch, variable):
    monkeypatch.setenv(variable, authority.file)

    assert ask(serve(authority.tls())) == []


def test_the_authorities_of_aws_config_file_are_believed(serve, authority, monkeypatch, tmp_path):
    config = tmp_path / "config"
    config.write_text(f"[default]\nca_bundle = {authority.file}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))

    assert ask(serve(authority.tls())) == []


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "CURL_CA_BUNDLE"])
def test_what_botocore_does_not_heed_is_not_heeded(serve, authority, monkeypatch, variable):
    monkeypatch.setenv(variable, authority.file)

    with pytest.raises(EndpointUnreachable, match="SSL"):
        ask(serve(authority.tls()))


def test_a_certificate_of_one_s_own_is_shown(serve, authority, monkeypatch):
    monkeypatch.setenv("AWS_CA_BUNDLE", authority.file)
    scripted = serve(authority.tls(ask_client=True))

    assert ask(scripted, client_cert=authority.certificate("client")) == []
    with pytest.raises(EndpointUnreachable):
        ask(scripted)


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY"])
def test_a_proxy_of_the_environment_is_used(serve, proxy, monkeypatch, variable):
    scripted = serve()
    monkeypatch.setenv(variable, proxy.address)

    assert ask(scripted) == []
    assert proxy.lines == [f"POST {scripted.url}/"]


def test_https_goes_through_a_tunnel(serve, proxy, authority, monkeypatch):
    monkeypatch.setenv("AWS_CA_BUNDLE", authority.file)
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:p%40ss@{proxy.address}")
    scripted = serve(authority.tls())

    assert ask(scripted) == []
    assert proxy.lines == ["CONNECT " + scripted.url.removeprefix("https://")]
    assert "Proxy-Authorization: Basic dXNlcjpwQHNz" in proxy.heads[0]


@pytest.mark.parametrize(
    "environment",
    [
        {"HTTP_PROXY": "http://{}", "NO_PROXY": "127.0.0.1"},
        {"HTTP_PROXY": "http://{}", "no_proxy": "*"},
        {"ALL_PROXY": "http://{}"},
        {"HTTPS_PROXY": "http://{}"},
    ],
    ids=lambda environment: "+".join(environment),
)
def test_a_proxy_is_left_out_where_botocore_leaves_it_out(serve, proxy, monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(proxy.address))

    assert ask(serve()) == []
    assert proxy.lines == []


def test_a_proxy_of_the_options_comes_first(serve, proxy, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    assert ask(serve(), proxies={"http": proxy.address}) == []
    assert len(proxy.lines) == 1


def test_a_proxy_that_does_not_answer_is_named_without_its_password(serve):
    with pytest.raises(EndpointUnreachable, match="proxy") as told:
        ask(serve(), proxies={"http": "http://user:secret@127.0.0.1:9"})
    assert "secret" not in str(told.value)


def test_a_connection_that_was_closed_meanwhile_is_opened_again(serve):
    scripted = serve()
    account = Account(
        {"region": "us-east-1"}, access_key_id="k", secret_access_key="s", endpoint=scripted.url
    )
    account.urls["orders"] = QUEUE_URL
    scripted.answers["DeleteMessageBatch"] = {"Successful": [{"Id": "0"}]}
    requests = Requests(account)
    scripted.hangs_up = True

    for _ in range(3):
        assert requests.delete_batch("orders", [{"ReceiptHandle": "h"}]) == [None]
    assert scripted.counts["DeleteMessageBatch"] == 3
