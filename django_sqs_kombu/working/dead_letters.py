"""Dead letters: sending a message whose receiver has failed for good where such are kept."""

from __future__ import annotations

from ..transport.sending.burying import bury
from ..transport.sending.resending import Delivery
from .failure import FAILURE, Failure, is_dead_letter
from .going_on import stopping
from .registered import Registered
from .restarting import attempts_of


def dead_letter_queue_of(registered: Registered, delivery: Delivery) -> str | None:
    """The name in SQS of the queue for the dead letters of *delivery*'s queue; None: none.

    That is the one that was registered, or the one of the redrive policy that it has in SQS.
    """
    if registered.full_dead_letter_name is not None:
        return registered.full_dead_letter_name
    requests = delivery.channel.requests
    if not requests.redrives(delivery.queue):
        return None
    redrive = requests.facts(delivery.queue).redrive
    return (redrive and redrive.dead_letter_name) or None


def send_to_dead_letters(
    registered: Registered, delivery: Delivery, raised: BaseException, *, deleted: bool = False
) -> bool:
    """Send a message to the dead-letter queue with the reason; the caller deletes it then.

    :param deleted: it was deleted on receipt, so it must go.
    :returns: whether it was sent; False: there is no such queue.
    :raises SQSError: SQS did not take it.
    """
    target = dead_letter_queue_of(registered, delivery)
    if target is None:
        return False
    failure = Failure.of(delivery, raised, attempts_of(delivery).receives)
    reasons = [failure.attribute(), failure.without_traceback().attribute()]
    lasts = is_dead_letter(delivery)
    bury(delivery, target, FAILURE, reasons, deleted=deleted, stops=stopping, lasts=lasts)
    return True
