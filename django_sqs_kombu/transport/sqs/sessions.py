"""Sessions: boto3's credentials for an identity; those of a role renew themselves."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import CredentialRetrievalError

from ...printable import line
from .failures import MISSHAPEN

#: Seconds before their end at which credentials of a role must be renewed, and before that,
#: at which they are renewed while the old ones serve others.
MUST_RENEW, MAY_RENEW = 60, 60
#: Seconds after a failed renewal during which none is tried.
RENEWAL_PAUSE = 5.0
#: What AWS assumes a role for at least, in seconds.
SHORTEST_ROLE = 900
#: The file of all services' endpoints, and which of these are asked for: of the clients that are
#: made here, SNS for Kombu's fan-out, and that botocore makes to find credentials.
_ENDPOINTS = "endpoints"
_ASKED = frozenset({"oidc", "portal.sso", "s3", "signin", "sns", "sqs", "sts"})
#: What opens a file of botocore's, by its extension, in botocore's order.
_READ: dict[str, Any] = {".json": open, ".json.gz": gzip.open}
#: A request waits for the renewal, so that must not take long.
_STS_CONFIG = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})


@dataclass(frozen=True, slots=True)
class Role:
    """An IAM role that is assumed.

    :param arn: its ARN.
    :param seconds: how long its credentials last.
    :param early: seconds before their end at which they must be renewed.
    :param endpoint: the URL of another STS than AWS's.
    """

    arn: str
    seconds: int = SHORTEST_ROLE
    early: int = 0
    endpoint: str | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any], arn: str | None) -> Role | None:
        """The role *arn* with kombu's ``sts_token_timeout`` and ``sts_token_buffer_time``."""
        if not arn:
            return None
        return cls(
            arn,
            int(options.get("sts_token_timeout") or SHORTEST_ROLE),
            int(options.get("sts_token_buffer_time") or 0),
            options.get("sts_endpoint_url"),
        )


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom AWS takes a client for, and where.

    Without keys they are what boto3 finds: the environment, a profile or a role.

    :param role: a role that is assumed with these credentials, and used in their place.
    """

    region: str
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    role: Role | None = None


def new_session(identity: Identity) -> tuple[boto3.session.Session, botocore.session.Session]:
    """A boto3 session for *identity*, and the botocore session below it."""
    core = _new_core()
    session = boto3.session.Session(
        botocore_session=core,
        region_name=identity.region,
        aws_access_key_id=identity.access_key_id,
        aws_secret_access_key=identity.secret_access_key,
        aws_session_token=identity.session_token,
    )
    if identity.role is None:
        return session, core
    above = _new_core()
    provider = _RoleProvider(_RoleCredentials(session, identity.role))
    above.register_component("credential_provider", CredentialResolver([provider]))
    return boto3.session.Session(botocore_session=above, region_name=identity.region), above


@contextmanager
def told_by_provider(provider: str) -> Iterator[None]:
    """Raise what botocore does where credentials cannot be had, for an answer of another form too.

    A proxy may answer in the place of STS, for instance with a page.

    :raises botocore.exceptions.CredentialRetrievalError: this is what was answered.
    """
    try:
        yield
    except MISSHAPEN as exc:
        text = f"the answer is of another form ({line(repr(exc))})"
        raise CredentialRetrievalError(provider=provider, error_msg=text) from exc


def _new_core() -> botocore.session.Session:
    core = botocore.session.Session()
    places = core.get_component("data_loader").search_paths
    core.register_component("data_loader", _Loader(places, include_default_search_paths=False))
    return core


class _Loader(botocore.loaders.Loader):  # type: ignore[misc]
    """botocore's descriptions of services, looked for and read once for all sessions.

    A client costs a quarter of the CPU, and the first one, of which botocore would read the
    endpoints of all services into ordered dictionaries, two thirds, and 7 MB less.
    """

    def __init__(self, *places: Any, **options: Any) -> None:
        super().__init__(*places, file_loader=_Files(), **options)

    def list_available_services(self, type_name: str) -> Any:
        return list(_services(tuple(self.search_paths), type_name))


class _Files(botocore.loaders.JSONFileLoader):  # type: ignore[misc]
    def load_file(self, file_path: str) -> Any:
        return _content(file_path)


@cache
def _services(places: tuple[str, ...], type_name: str) -> Any:
    loader = botocore.loaders.Loader(list(places), include_default_search_paths=False)
    return loader.list_available_services(type_name)


@cache
def _content(path: str) -> Any:
    found = _parsed(path)
    if os.path.basename(path) == _ENDPOINTS and isinstance(found, dict):
        for partition in found.get("partitions") or ():
            services = partition.get("services") or {}
            partition["services"] = {name: services[name] for name in _ASKED & services.keys()}
    return found


def _parsed(path: str) -> Any:
    for extension, opened in _READ.items():
        if os.path.isfile(path + extension):
            with opened(path + extension, "rb") as file:
                return json.loads(file.read())
    # Whatever else botocore may come to read.
    return botocore.loaders.JSONFileLoader().load_file(path)


class _RoleProvider(CredentialProvider):  # type: ignore[misc]
    METHOD = "assume-role"

    def __init__(self, credentials: _RoleCredentials) -> None:
        super().__init__()
        self._role = credentials

    def load(self) -> _RoleCredentials:
        return self._role


class _RoleCredentials(DeferredRefreshableCredentials):  # type: ignore[misc]
    """Credentials of a role, assumed when they are first needed and shortly before their end.

    botocore's own renew 15 minutes before it, which is all that the shortest ones last.
    """

    def __init__(self, session: boto3.session.Session, role: Role) -> None:
        super().__init__(self._assume, "assume-role")
        self._session = session
        self._role = role
        self._failure: tuple[Exception, float] | None = None
        self._mandatory_refresh_timeout = max(MUST_RENEW, min(role.early, role.seconds // 2))
        self._advisory_refresh_timeout = self._mandatory_refresh_timeout + MAY_RENEW

    def _assume(self) -> dict[str, str]:
        if self._failure is not None and time.monotonic() < self._failure[1]:
            raise self._failure[0]
        try:
            with told_by_provider(self.method):
                given = self._asked()
        except Exception as exc:
            self._failure = exc, time.monotonic() + RENEWAL_PAUSE
            raise
        self._failure = None
        return given

    def _asked(self) -> dict[str, str]:
        sts = self._session.client("sts", endpoint_url=self._role.endpoint, config=_STS_CONFIG)
        answer = sts.assume_role(
            RoleArn=self._role.arn,
            RoleSessionName="django-sqs",
            DurationSeconds=self._role.seconds,
        )
        given = answer["Credentials"]
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }
