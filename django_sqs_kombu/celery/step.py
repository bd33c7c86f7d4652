"""ReceiverStep: a Celery worker that also runs receivers."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, ClassVar

from celery import bootsteps

from ..exceptions import ConfigurationError
from ..registration.queue import RegisteredQueue
from ..registration.receivers import Receivers
from ..working.circuits import Circuits
from ..working.late import taking_all
from .pool import PoolConsumer


class ReceiverStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Runs the receivers of this process's registries in the pool of a Celery worker.

    ``app.steps["consumer"].add(ReceiverStep)`` is all you need; subclass it to configure it.  It
    works with the pools prefork, threads and solo, whatever Celery's own broker is.  Messages
    are settled, and receivers stopped, as in a separate worker; Celery's
    warm shutdown waits for running receivers.

    :cvar receivers: the registry; None: all registries of the process.
    :cvar queue_names: the queues to receive from; empty: all that have a receiver.
    :cvar suffix: the queue name suffix to use.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    receivers: ClassVar[Receivers | None] = None
    queue_names: ClassVar[tuple[str, ...]] = ()
    suffix: ClassVar[str | None] = None

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        #: Those that still have receivers running, the one that receives last.
        self._consumers: list[PoolConsumer] = []
        self._circuits: dict[Receivers, Circuits] = {}
        self._taking = ExitStack()

    def start(self, consumer: Any) -> None:
        """Start receiving.

        :raises ConfigurationError: the worker has no event loop, or there is no receiver.
        """
        if consumer.hub is None:
            raise ConfigurationError(
                "ReceiverStep needs a worker with an event loop: use the prefork, threads or "
                "solo pool, and a broker transport that supports it"
            )
        self._consumers = [running for running in self._consumers if not running.closed]
        for receivers, queues in self._queues().items():
            circuits = self._circuits.setdefault(receivers, Circuits(receivers))
            self._consumers.append(
                PoolConsumer(receivers, queues, self.suffix, consumer.pool, consumer.hub, circuits)
            )
            self._consumers[-1].start()
            self._taking.enter_context(taking_all(receivers, queues, chosen=self.queue_names))

    def stop(self, consumer: Any) -> None:
        """Stop receiving; what was not started becomes visible to others at once."""
        self._taking.close()
        for running in self._consumers:
            running.stop()

    def shutdown(self, consumer: Any) -> None:
        """Settle messages that are done, give back those still running, and disconnect."""
        for running in self._consumers:
            running.close()

    def _queues(self) -> dict[Receivers, list[RegisteredQueue]]:
        registries = [self.receivers] if self.receivers is not None else Receivers.all()
        chosen = {}
        for receivers in registries:
            queues = [
                queue
                for queue in receivers.queues.values()
                if queue.receiver is not None
                and (not self.queue_names or queue.name in self.queue_names)
            ]
            if queues:
                chosen[receivers] = queues
        if not chosen:
            raise ConfigurationError(
                "ReceiverStep has nothing to receive: no receiver is registered. Import the "
                "modules that register them where the Celery app is made."
            )
        return chosen
