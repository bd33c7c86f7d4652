"""Settling on a channel that was closed: its messages were given back."""

import kombu
import pytest


@pytest.mark.parametrize("settle", ["ack", "reject", "requeue", "release", "delete_now"])
@pytest.mark.parametrize("closed", ["channel", "connection"])
def test_it_is_a_connection_error(receivers, settle, closed, counts, eventually):
    queue = receivers.register("orders", lambda message: None)
    queue.send(body="x")
    with receivers.new_connection() as connection:
        channel = connection.channel()
        name = queue.full_name()
        message = kombu.Queue(name)(channel).get()
        channel.close() if closed == "channel" else connection.release()

        with pytest.raises(connection.connection_errors, match="closed"):
            getattr(message, settle)()

    eventually(lambda: counts(name) == (1, 0, 0))
