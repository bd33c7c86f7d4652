"""What waits for something to read does so in a process with very many files."""

import contextlib
import os
import resource
import socket

import pytest

from django_sqs.readable import readable


@pytest.fixture
def many_files():
    """1,100 open files, so that the next one has a number that select() does not take."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2_048:
        pytest.skip(f"a process may have {hard} files here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2_048), hard))
    with contextlib.ExitStack() as stack:
        for _ in range(1_100):
            stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_of_a_thousand_files_it_is_told_which_can_be_read(many_files):
    mine, other = socket.socketpair()
    idle, far = socket.socketpair()
    with mine, other, idle, far:
        assert mine.fileno() > 1_023
        assert readable([mine, idle.fileno()], 0) == []
        other.send(b"x")
        far.send(b"x")

        assert set(readable([mine, idle.fileno()], 5)) == {mine, idle.fileno()}
