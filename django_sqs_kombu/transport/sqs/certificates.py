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
    configured = session.get_config_variable("ca_bundle")
    where, path = from_environment() or ("", None)
    if configured and configured != path:
        where, path = "ca_bundle in AWS's config file", configured
    if path and not os.path.exists(path):
        raise ConfigurationError(
            f"{where} names {path!r}, which does not exist: no certificate can be checked. "
            "Name the file that has the certificates of the authorities, or none."
        )


def from_environment() -> tuple[str, str] | None:
    """The environment variable that names the file, and the file."""
    for name in _VARIABLES:
        if path := os.environ.get(name):
            return name, path
    return None
