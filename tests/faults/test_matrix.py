"""Every fault on every kind of request: nothing is lost, and nothing runs twice."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from .conftest import LONG
from .matrix import STRUCK, Trial, cells

#: Cells that run at once: they wait more than they compute, but leases of a few seconds need
#: a process that is not busy all the time.
AT_ONCE = 8 if LONG else 16


@pytest.mark.parametrize("struck", STRUCK)
def test_a_fault_loses_nothing_and_does_nothing_twice(struck, steady_server, prefix, direct):
    chosen = cells(struck, whole=LONG)

    def run(number):
        started = time.monotonic()
        trial = Trial(chosen[number], direct, steady_server, f"{prefix}-{number}")
        complaints = trial.run()
        print(f"{chosen[number]}: {time.monotonic() - started:.0f} s {complaints}", flush=True)
        return complaints

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(zip(map(str, chosen), pool.map(run, range(len(chosen))), strict=True))

    failed = [f"{cell}: {'; '.join(said)}" for cell, said in found.items() if said]
    assert not failed, "\n".join(failed)
