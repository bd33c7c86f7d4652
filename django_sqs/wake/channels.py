"""The channels that senders and workers may share: Django's cache, PostgreSQL, Redis."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterator
from threading import Event
from typing import Any, Protocol

from django.core.cache import caches
from django.core.cache.backends.db import BaseDatabaseCache
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connections, router

from ..conf import conf
from ..readable import readable
from .beats import BEAT, PATIENCE, answered

#: Seconds between two looks, where a channel cannot tell by itself.
LOOK = 1.0
#: Seconds that the cache keeps a call; workers look far more often.
KEPT = 600
POSTGRES_CHANNEL = "django_sqs_wake"

Heard = Callable[[str], None]


class WakeChannel(Protocol):
    """What carries the names of queues, prefix included, from senders to workers."""

    def transaction(self) -> str | None:
        """The database in whose open transaction of the caller a call would stay for now."""

    def publish(self, name: str) -> None:
        """Say that there is a message in the queue."""

    def listen(
        self, names: Collection[str], heard: Heard, stopping: Event, *, missed: bool = False
    ) -> None:
        """Call *heard* with each of *names* that is called, until *stopping* is set.

        :param missed: calls may have been missed: all count as called when it listens.
        :raises Exception: nothing can be heard, whatever a cache or a driver raises.
        """


def channel_of(spec: str) -> WakeChannel:
    """The channel that SQS_WAKE names.

    ``"cache"`` or ``"cache:ALIAS"``, ``"postgres"`` or ``"postgres:ALIAS"``, or a Redis URL.
    """
    kind, _, rest = spec.partition(":")
    if kind == "cache":
        return CacheChannel(rest or "default")
    if kind == "postgres":
        return PostgresChannel(rest or "default")
    return RedisChannel(spec, conf.wake_password)


class CacheChannel:
    """A key of Django's cache for each queue; workers look at them once a second.

    Most caches unpickle what they hold, so whoever may write to the cache may run code in the
    workers.  Here only text is written.

    :param alias: of CACHES; a cache that all processes share, not one in local memory.
    """

    def __init__(self, alias: str) -> None:
        self._alias = alias

    def transaction(self) -> str | None:
        """That of a cache which is a table."""
        cache = caches[self._alias]
        if not isinstance(cache, BaseDatabaseCache):
            return None
        alias = router.db_for_write(cache.cache_model_class)
        return alias if connections[alias].in_atomic_block else None

    def publish(self, name: str) -> None:
        """Change the queue's key."""
        cache = caches[self._alias]

        def change() -> None:
            cache.set(self._key(name), uuid.uuid4().hex, KEPT)

        if isinstance(cache, BaseDatabaseCache):
            _on_a_whole_connection(router.db_for_write(cache.cache_model_class), change)
        else:
            change()

    def listen(
        self, names: Collection[str], heard: Heard, stopping: Event, *, missed: bool = False
    ) -> None:
        """Look at the keys."""
        keys = {self._key(name): name for name in names}
        cache = caches[self._alias]
        known = cache.get_many(keys)
        _hear_all(names, heard, missed)
        while not stopping.wait(LOOK):
            found = cache.get_many(keys)
            for key, value in found.items():
                if known.get(key) != value:
                    heard(keys[key])
            # A key that is gone was heard; its absence must not make it news again.
            known.update(found)

    def _key(self, name: str) -> str:
        return f"django_sqs.wake.{name}"


class PostgresChannel:
    """NOTIFY and LISTEN of a PostgreSQL database; a worker keeps a connection for it.

    :param alias: of DATABASES.
    """

    def __init__(self, alias: str) -> None:
        self._alias = alias

    def transaction(self) -> str | None:
        """None: it calls outside of the caller's."""
        return None

    def publish(self, name: str) -> None:
        """NOTIFY, now: what the caller sent does not wait for its commit, either."""
        mine = connections[self._alias]
        if not mine.in_atomic_block:
            _on_a_whole_connection(self._alias, lambda: _notify(mine, name))
            return
        # In a transaction PostgreSQL would call at its commit, and never after a rollback.
        other = connections.create_connection(self._alias)
        try:
            _notify(other, name)
        finally:
            other.close()

    def listen(
        self, names: Collection[str], heard: Heard, stopping: Event, *, missed: bool = False
    ) -> None:
        """LISTEN, on a connection of its own."""
        connection = connections.create_connection(self._alias)
        try:
            with connection.cursor() as cursor:
                # What a pool gives may have fallen silent, too.
                answered(cursor, f"LISTEN {POSTGRES_CHANNEL}")
                _hear_all(names, heard, missed)
                beat = time.monotonic() + BEAT
                while not stopping.is_set():
                    notified = list(_notified(connection.connection))
                    if time.monotonic() >= beat:
                        notified += answered(cursor, "SELECT 1")
                        beat = time.monotonic() + BEAT
                    for name in notified:
                        if name in names:
                            heard(name)
                # A pool gives the connection to somebody else.
                cursor.execute(f"UNLISTEN {POSTGRES_CHANNEL}")
        finally:
            connection.close()


def _on_a_whole_connection(alias: str, write: Callable[[], None]) -> None:
    """Write; on another connection of this thread's where the one that it has is broken.

    Outside of requests and messages nobody else would have it connect anew.
    """
    try:
        write()
    except Error:
        connection: Any = connections[alias]
        if connection.in_atomic_block or connection.connection is None or connection.is_usable():
            raise
        connection.close()
        write()


def _notify(connection: Any, name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [POSTGRES_CHANNEL, name])


def _hear_all(names: Collection[str], heard: Heard, missed: bool) -> None:
    for name in names if missed else ():
        heard(name)


def _notified(connection: Any) -> Iterator[str]:
    """What a connection of psycopg or psycopg2 is told within :data:`LOOK`."""
    if callable(connection.notifies):
        for notice in connection.notifies(timeout=LOOK):
            yield notice.payload
        return
    # psycopg2 reads only when it is asked to, and keeps a list.
    if readable([connection], LOOK):
        connection.poll()
    while connection.notifies:
        yield connection.notifies.pop(0).payload


class RedisChannel:
    """Publish and subscribe of a Redis server (extra ``redis``).

    :param url: such as ``redis://127.0.0.1:6379/0``.
    :param password: of the server, where the URL has none.
    :raises ImproperlyConfigured: the package redis is not installed, or cannot read the URL.
    """

    def __init__(self, url: str, password: str | None = None) -> None:
        try:
            import redis
        except ImportError as exc:
            raise ImproperlyConfigured(
                "SQS_WAKE is a Redis URL, which needs: pip install 'django-sqs[redis]'"
            ) from exc
        options: dict[str, Any] = {"password": password} if password else {}
        try:
            self._client: Any = redis.Redis.from_url(
                url,
                socket_connect_timeout=5,
                socket_timeout=5,
                health_check_interval=30,
                **options,
            )
        except ValueError:
            # Its text quotes the URL, a password in it included.
            raise ImproperlyConfigured(
                "SQS_WAKE is not a valid Redis URL. In a password '/', '@', ':' and "
                "'%' are percent-encoded; SQS_WAKE_PASSWORD takes it as it is."
            ) from None

    def transaction(self) -> str | None:
        """None: Redis has no part in it."""
        return None

    def publish(self, name: str) -> None:
        """PUBLISH."""
        self._client.publish(self._topic(name), name)

    def listen(
        self, names: Collection[str], heard: Heard, stopping: Event, *, missed: bool = False
    ) -> None:
        """SUBSCRIBE."""
        topics = {self._topic(name): name for name in names}
        subscribed = set(topics) if missed else set()
        with self._client.pubsub() as subscription:
            subscription.subscribe(*topics)
            answered = asked = time.monotonic()
            while not stopping.is_set():
                message = subscription.get_message(timeout=LOOK)
                now = time.monotonic()
                if message is not None:
                    answered = now
                    self._take(message, topics, subscribed, heard)
                elif answered < asked:
                    if now - asked >= PATIENCE:
                        raise ConnectionError("the Redis server does not answer any more")
                elif now - answered >= BEAT:
                    subscription.ping()
                    asked = now

    def _take(
        self, message: Any, topics: dict[str, str], subscribed: set[str], heard: Heard
    ) -> None:
        """Take what came over the subscription, be it a call or not."""
        if message["type"] == "message":
            # Anybody may publish; what is no name of ours is not heard.
            heard(message["data"].decode(errors="replace"))
        elif message["type"] == "subscribe":
            topic = message["channel"].decode()
            if topic in subscribed:
                # The client has connected anew by itself, and may have missed calls.
                heard(topics[topic])
            subscribed.add(topic)

    def _topic(self, name: str) -> str:
        return f"django_sqs.wake.{name}"
