"""Target: where the requests of a boto3 client go, and how: what botocore has decided for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import botocore.session
from botocore.httpsession import ProxyConfiguration, get_cert_path
from botocore.utils import get_environ_proxies

from ..certificates import bundle_of
from .keys import SessionKeys
from .signing import Signer

_LAMBDA, _TRACE = "AWS_LAMBDA_FUNCTION_NAME", "_X_AMZN_TRACE_ID"


@dataclass(frozen=True, slots=True)
class Security:
    """How certificates are checked and shown.

    :param authorities: the file, or folder, of the certificates that are believed.
    :param certificate: the file of this side's own, if it has one, and *key*, of its key.
    """

    authorities: str | None = None
    certificate: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go and how.

    :param url: the endpoint's.
    :param signer: signs them.
    :param headers: what each has besides, as lines.
    :param keys: the credentials to sign with.
    :param events: botocore's emitter of the client.
    :param connect_timeout: seconds to wait for a connection.
    :param read_timeout: seconds to wait for the answer to everything but a long poll.
    :param security: for the endpoint.
    :param proxy: the URL of the proxy; empty: none.
    :param proxy_security: for the proxy.
    """

    url: str
    signer: Signer
    headers: tuple[str, ...]
    keys: SessionKeys
    events: Any
    connect_timeout: float
    read_timeout: float
    security: Security
    proxy: str
    proxy_security: Security


def target_of(client: Any, session: botocore.session.Session) -> Target:
    """The target of a boto3 client for SQS that was made of *session*."""
    config, parts = client.meta.config, urlsplit(client.meta.endpoint_url)
    url = parts._replace(path=parts.path or "/").geturl()
    metadata = client.meta.service_model.metadata
    signed = {"content-type": f"application/x-amz-json-{metadata['jsonVersion']}"}
    if "awsQueryCompatible" in metadata:
        signed["x-amzn-query-mode"] = "true"
    signer = Signer(url, client.meta.region_name, signed)
    host = f"Host: {signer.host}"
    # libcurl would wait a second for a 100 before bodies above 1 MiB.
    more = (host, f"User-Agent: {config.user_agent}", "Accept-Encoding: identity", "Expect:")
    authorities = get_cert_path(bundle_of(session) or True)
    proxies = ProxyConfiguration(_proxies(config.proxies, url))
    settings = config.proxies_config or {}
    return Target(
        url=url,
        signer=signer,
        headers=(*(f"{name}: {value}" for name, value in signed.items()), *more),
        keys=SessionKeys(session),
        events=client.meta.events,
        connect_timeout=float(config.connect_timeout),
        read_timeout=float(config.read_timeout),
        security=_security(authorities, config.client_cert),
        proxy=proxies.proxy_url_for(url) or "",
        proxy_security=_security(
            settings.get("proxy_ca_bundle") or authorities, settings.get("proxy_client_cert")
        ),
    )


def on_lambda() -> bool:
    """Whether this process runs in AWS Lambda."""
    return _LAMBDA in os.environ


def trace_headers() -> list[str]:
    """The header by which AWS Lambda notices that a function calls itself for ever."""
    trace = os.environ.get(_TRACE)
    return [f"X-Amzn-Trace-Id: {quote(trace, safe=_TRACE_SAFE)}"] if trace else []


_TRACE_SAFE = "-=;:+&[]{}\"',"


def _proxies(configured: Mapping[str, str] | None, url: str) -> Mapping[str, str]:
    return get_environ_proxies(url) if configured is None else configured


def _security(authorities: str | None, certificate: str | tuple[str, str] | None) -> Security:
    if isinstance(certificate, tuple):
        return Security(authorities, *certificate)
    return Security(authorities, certificate)
