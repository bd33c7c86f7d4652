"""Cores: each process of a measure on one of its own, so that figures of CPU can be compared."""

import os

#: Of the contenders, and of the server that they ask.
CLIENT, SERVER = 0, 1


def pin(number):
    """Have this process run on one core, where the system lets it choose among two."""
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > SERVER:
        os.sched_setaffinity(0, {cores[number]})
