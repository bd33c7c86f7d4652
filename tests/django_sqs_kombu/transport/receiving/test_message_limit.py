import threading

from django_sqs_kombu.transport.receiving.message_limit import LocalLimit


def test_reservations_never_exceed_the_limit():
    limit = LocalLimit(5)

    assert limit.reserve(3) == 3
    assert limit.reserve(10) == 2
    assert limit.reserve(1) == 0
    assert not limit.reached


def test_what_did_not_come_is_free_again():
    limit = LocalLimit(5)
    limit.reserve(5)

    limit.settle(reserved=5, received=2)

    assert limit.reserve(10) == 3


def test_reached_when_all_were_received_until_one_is_given_back():
    limit = LocalLimit(2)
    limit.reserve(2)
    limit.settle(2, 2)
    assert limit.reached

    limit.give_back(1)

    assert not limit.reached
    assert limit.reserve(5) == 1


def test_exact_from_many_threads():
    limit = LocalLimit(1_000)
    received = []

    def run():
        while not limit.reached:
            granted = limit.reserve(7)
            limit.settle(granted, granted)
            received.append(granted)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert sum(received) == 1_000
