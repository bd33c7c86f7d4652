"""lifespan: an ASGI application that also receives messages while it is served."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from django_sqs_kombu.logs import get_logger

from .web.site_receiver import SiteReceiver

logger = get_logger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

_STARTUP, _STARTED = "lifespan.startup", "lifespan.startup.complete"
_SHUTDOWN, _ENDED = "lifespan.shutdown", "lifespan.shutdown.complete"


def lifespan(
    app: Application,
    *,
    queues: Iterable[str] = (),
    suffix: str | None = None,
    threads: int = 1,
    grace_period: float | None = None,
) -> Application:
    """Return the ASGI application *app*, which also receives while the server runs.

    It receives in threads of the server's process, for small sites.  *app* may handle ASGI's
    lifespan events itself, or not, like Django's.

    :param queues: names of registered queues; if empty, all that have a receiver.
    :param suffix: the queue name suffix to use.
    :param threads: how many receivers run at once.
    :param grace_period: seconds that running receivers may take at a stop; then their messages
        are given back.  None: SQS_GRACE_PERIOD.
    """
    names = [queues] if isinstance(queues, str) else list(queues)
    told = False

    async def application(scope: Any, receive: Receive, send: Send) -> None:
        nonlocal told
        if scope["type"] == "lifespan":
            told = True
            grace = None if grace_period is None else lambda: grace_period
            site = SiteReceiver(names, suffix=suffix, threads=threads, grace_period=grace)
            await _Life(app, site, receive, send).run(scope)
            return
        if not told:
            told = True
            logger.error(
                "This server sends no lifespan events, so nothing is received. Use one that "
                "does, such as uvicorn or hypercorn, or run runreceiver"
            )
        await app(scope, receive, send)

    return application


class _Life:
    """The lifespan events of one server, for an application and its receiver.

    :param app: the application, which may not know them.
    """

    def __init__(self, app: Application, site: SiteReceiver, receive: Receive, send: Send) -> None:
        self._app = app
        self._site = site
        self._receive = receive
        self._send = send
        self._heard: set[str] = set()
        self._said: set[str] = set()

    async def run(self, scope: Any) -> None:
        try:
            try:
                await self._app(scope, self._hear, self._say)
            except Exception as exc:
                if self._said:
                    raise
                # As an application does that knows of no such events.
                logger.debug("The application does not handle lifespan events: %r", exc)
            if not self._said:
                await self._answer(_STARTUP, _STARTED)
            if _STARTED in self._said and _ENDED not in self._said:
                await self._answer(_SHUTDOWN, _ENDED)
        finally:
            # Also where the server goes without a word.
            self._site.begin_to_stop()

    async def _answer(self, event: str, answer: str) -> None:
        while event not in self._heard:
            await self._hear()
        await self._say({"type": answer})

    async def _hear(self) -> Message:
        message = await self._receive()
        self._heard.add(message["type"])
        if message["type"] == _SHUTDOWN:
            # While the application ends, receivers may finish.
            self._site.begin_to_stop()
        return message

    async def _say(self, message: Message) -> None:
        if message["type"].startswith(_SHUTDOWN):
            await asyncio.to_thread(self._site.stop)
        self._said.add(message["type"])
        await self._send(message)
        if message["type"] == _STARTED:
            self._site.start()
