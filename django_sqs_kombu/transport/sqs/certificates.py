"""Certificates: which file the servers' certificates are checked against."""

from __future__ import annotations

import os

import botocore.session

from ...exceptions import ConfigurationError

#: In botocore's order.
_VARIABLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")


def check_bundle(session: botocore.session.Session) -> None:
    """Raise :class:`ConfigurationError` where the file is set and is not there.

    botocore would tell that as a fault of the network, without a name.
    """
    path = bundle_of(session)
    where, named = from_environment() or ("", None)
    if path != named:
        where = "ca_bundle in AWS's config file"
    if path and not os.path.exists(path):
        raise ConfigurationError(
            f"{where} names {path!r}, which does not exist: no certificate can be verified. Set "
            "it to a file of CA certificates, or remove it."
        )


def bundle_of(session: botocore.session.Session) -> str | None:
    """The file that is set; None: the authorities are those that botocore believes."""
    # botocore takes the first variable before its config file, and that before the second.
    return session.get_config_variable("ca_bundle") or os.environ.get(_VARIABLES[-1])


def from_environment() -> tuple[str, str] | None:
    """The environment variable that names the file, and the file."""
    for name in _VARIABLES:
        if path := os.environ.get(name):
            return name, path
    return None
