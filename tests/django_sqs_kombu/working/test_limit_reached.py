import threading

from django_sqs_kombu import ReceiverConsumer
from django_sqs_kombu.transport.receiving.inbox import Inbox


def test_a_consumer_whose_limit_is_reached_rests_while_its_last_receiver_runs(
    receivers, monkeypatch
):
    wakes, ended = [], threading.Event()
    wake = Inbox.wake

    def counted(inbox):
        if not ended.is_set():
            wakes.append(inbox)
        wake(inbox)

    def receive(message):
        ended.wait(1.5)
        ended.set()

    monkeypatch.setattr(Inbox, "wake", counted)
    receivers.register("queue", receive)
    receivers.send("queue", body="x")
    consumer = ReceiverConsumer(receivers, threads=2, message_limit=1)
    guard = threading.Timer(30, consumer.stop)
    guard.start()
    consumer.run()

    assert guard.is_alive()
    guard.cancel()
    # It is told five times a second; it was told for as long as a core could.
    assert 0 < len(wakes) <= 12
