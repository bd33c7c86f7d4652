"""Control: the addresses under ``/-/``, where the stub is asked and set."""

import math
from urllib.parse import parse_qsl, urlsplit

from .answers import Refused, encoded, no_queue, ok
from .fifo import FifoQueue


def control(service, head):
    """The answer to a request of this kind."""
    url = urlsplit(head.split(b" ", 2)[1].decode())
    action = _ACTIONS.get(url.path)
    try:
        if action is None:
            raise Refused("InvalidAddress")
        return ok(encoded(action(service, **dict(parse_qsl(url.query)))))
    except Refused as exc:
        return exc.answer()
    except (TypeError, ValueError) as exc:
        return Refused(f"InvalidParameter: {exc}").answer()


def _stats(service):
    return {**service.counts.stats(), "latency": service.latency}


def _reset(service, latency=None):
    if latency is not None:
        service.latency = float(latency)
    service.counts.reset()
    return _stats(service)


def _latency(service, seconds):
    service.latency = float(seconds)
    return _stats(service)


def _create(service, prefix, count, suffix=""):
    names = [f"{prefix}{number}{suffix}" for number in range(int(count))]
    for name in names:
        service.create(name, {"FifoQueue": "true"} if suffix == ".fifo" else {})
    return names


def _queue(service, name, left=None, groups=None, burst=None):
    queue = service.queues.get(name)
    if queue is None:
        raise no_queue()
    if (groups or burst) and not isinstance(queue, FifoQueue):
        raise Refused("OnlyFifoQueuesHaveGroups")
    if groups is not None:
        queue.set_groups(int(groups))
    if burst is not None:
        queue.burst = int(burst)
    if left is not None:
        queue.left = math.inf if left == "all" else int(left)
    queue.serve()
    return {
        "left": "all" if queue.left == math.inf else queue.left,
        "in_flight": queue.in_flight,
        "polls_waiting": len(queue.waiting),
    }


_ACTIONS = {
    "/-/stats": _stats,
    "/-/reset": _reset,
    "/-/latency": _latency,
    "/-/create": _create,
    "/-/queue": _queue,
}
