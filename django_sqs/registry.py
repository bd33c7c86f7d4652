"""The project's Receivers: registered at import, connected according to the settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import kombu
from django.apps import apps
from django.core.cache import caches
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.db import connections

from django_sqs_kombu import Receivers, UnknownQueue
from django_sqs_kombu.registration import Defaults, Outlet, RegisteredQueue
from django_sqs_kombu.testing import receive_at_once
from django_sqs_kombu.working import Counter, Mask, Middleware, Policy, Retry, TicketStore

from .batches import DjangoBatch
from .calls import CallUpkeep
from .conf import conf
from .optional import tickets
from .problems import require_valid


def count_in_cache(name: str, count: int, seconds: float) -> int:
    """Add *count* to a number in Django's cache that lasts for *seconds*; return the sum."""
    cache = caches["default"]
    try:
        if cache.add(name, count, seconds):
            return count
        return int(cache.incr(name, count))
    finally:
        # It is called in a thread of its own, and the cache may be a table of a database.
        cache.close()
        if isinstance(cache, DatabaseCache):
            connections.close_all()


def _where_looked_for() -> str:
    """Why no ``receivers.py`` was imported; where they are looked for, if they were."""
    if not apps.models_ready:
        return ". Django is not set up, so none was imported: call django.setup() first"
    if not apps.is_installed("django_sqs"):
        return ". 'django_sqs' is missing from INSTALLED_APPS, so none was imported"
    return " of an app in INSTALLED_APPS"


class DjangoReceivers(Receivers):
    """A registry whose connection and defaults come from the Django settings."""

    upkeep = CallUpkeep()

    def __init__(self) -> None:
        # The settings are read when they are needed, not when this module is imported.
        self._setup()
        self._loaded: list[Middleware] = []

    @property
    def defaults(self) -> Defaults:
        """SQS_QUEUE_PREFIX, SQS_DEFAULT_VISIBILITY_TIMEOUT and SQS_WIRE_FORMAT."""
        return Defaults(conf.prefix, conf.visibility_timeout, conf.wire_format)

    @property
    def transport_options(self) -> Mapping[str, Any]:
        """The transport options from the settings."""
        return conf.transport_options

    @property
    def passing(self) -> Retry:
        """SQS_RETRY_ON and SQS_RETRY_TRIES."""
        return conf.passing

    @property
    def counter(self) -> Counter | None:
        """Django's cache, which all workers share; None: each process counts for itself."""
        return None if isinstance(caches["default"], DummyCache | LocMemCache) else count_in_cache

    @property
    def tickets(self) -> TicketStore | None:
        """The store of the app django_sqs.tickets, if it is installed."""
        return next(iter(tickets.all()), None)

    @property
    def mask(self) -> Mask | None:
        """SQS_MASK."""
        return conf.mask

    @property
    def policy(self) -> Policy:
        """SQS_RETRY, SQS_DISCARD and SQS_DEAD_LETTER."""
        return conf.policy

    @property
    def outlet(self) -> Outlet | None:
        """What takes messages in place of SQS: a test's outlet, or SQS_EAGER's."""
        return self._outlet or (receive_at_once if conf.eager else None)

    @outlet.setter
    def outlet(self, outlet: Outlet | None) -> None:
        # What the setting chooses is not kept when a test puts back what was there.
        chosen = outlet is receive_at_once and conf.eager
        self._outlet = None if chosen else outlet

    def batch(self) -> DjangoBatch:
        """Return a block whose sends are made together at its end; see :class:`DjangoBatch`."""
        return DjangoBatch(self)

    def warn_of_few_receives(self, registered: RegisteredQueue) -> None:
        """Log nothing: a system check warns instead."""

    def get(self, queue_name: str) -> RegisteredQueue:
        """Return the queue registered as *queue_name*.

        :raises UnknownQueue: there is none; its text says if no ``receivers.py`` was imported.
        """
        try:
            return super().get(queue_name)
        except UnknownQueue as exc:
            raise UnknownQueue(exc.name, exc.known, _where_looked_for()) from None

    def new_connection(self) -> kombu.Connection:
        """Return a new connection according to the settings.

        :raises ImproperlyConfigured: a setting is missing or wrong.
        """
        require_valid()
        keys = conf.credentials
        return kombu.Connection(
            # Kombu's default is localhost, which would be asked in place of AWS.
            hostname=None,
            transport="django_sqs_kombu.transport:Transport",
            userid=keys.access_key_id,
            password=keys.secret_access_key,
            transport_options=conf.transport_options,
        )

    def load_middleware(self) -> None:
        """Load the middleware that SQS_MIDDLEWARE names, in place of what it named before."""
        others = [each for each in self.middleware if each not in self._loaded]
        self._loaded = [cls() for cls in conf.middleware]
        self.middleware[:] = [*others, *self._loaded]

    def reconnect(self, *, setting: str, **kwargs: Any) -> None:
        """Forget the connection when a test overrides a setting (setting_changed)."""
        if setting == "SQS_MIDDLEWARE":
            self.load_middleware()
        if setting.startswith(("AWS_", "SQS_")):
            self.close()


receivers = DjangoReceivers()
