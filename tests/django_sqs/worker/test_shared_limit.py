"""SharedLimit between real processes."""

import os
import signal
import time

from django_sqs.worker.shared_limit import SharedLimit


def fork(run):
    pid = os.fork()
    if pid == 0:
        try:
            run()
        finally:
            os._exit(0)
    return pid


def test_exact_between_processes():
    limit = SharedLimit(1_000, processes=4)
    read, write = os.pipe()

    def receive(process):
        limit.process = process
        total = 0
        while not limit.reached:
            granted = limit.reserve(7)
            limit.settle(granted, granted)
            total += granted
        os.write(write, f"{total}\n".encode())

    pids = [fork(lambda process=process: receive(process)) for process in range(4)]
    for pid in pids:
        os.waitpid(pid, 0)

    assert sum(map(int, os.read(read, 1_000).split())) == 1_000


def test_a_killed_process_gives_its_reservations_back():
    limit = SharedLimit(5, processes=2)
    read, write = os.pipe()

    def reserve_and_hang():
        limit.process = 1
        limit.settle(limit.reserve(2), 2)
        limit.reserve(3)
        os.write(write, b"reserved")
        time.sleep(60)

    pid = fork(reserve_and_hang)
    os.read(read, 8)
    assert limit.reserve(1) == 0
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

    limit.forget(1)

    assert limit.reserve(10) == 3


def test_a_lock_held_by_a_killed_process_is_free():
    limit = SharedLimit(5, processes=2)
    read, write = os.pipe()

    def lock_and_hang():
        with limit._locked():
            os.write(write, b"locked")
            time.sleep(60)

    pid = fork(lock_and_hang)
    os.read(read, 6)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

    assert limit.reserve(1) == 1


def test_given_back_messages_do_not_count():
    limit = SharedLimit(1, processes=1)
    limit.settle(limit.reserve(1), 1)
    assert limit.reached

    limit.give_back(1)

    assert not limit.reached
