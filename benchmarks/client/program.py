"""Program: measures everything, with the versions, the machine and the date."""

import subprocess
import sys
import time
from functools import partial

from ..about import about
from ..servers import stub
from .figures import figures
from .measures import Measures
from .running import Failed

#: Threads, and seconds that a message takes each.
SLEEPERS = ((1, 0.001), (10, 0.02))
ALL_SLEEPERS = (*SLEEPERS, (1, 0.02), (10, 0.001))


def run(*, quick=False, long=False, only=()):
    """Measure; return what with, the figures, and what they were made of, ready for JSON.

    :param only: the sections to measure, of :func:`sections`; none: all of them.
    """
    about_it = {**about(), "quick": quick}
    raw = {}
    with stub(pinned=True) as server:
        measures = Measures(server, window=0.3 if quick else 0.4, rounds=1 if quick else 2)
        known = sections(measures, quick=quick, long=long)
        check_only(only, known)
        for name, section in known.items():
            if only and name not in only:
                continue
            began = time.monotonic()
            try:
                raw[name] = section()
            except (Failed, OSError, subprocess.SubprocessError) as exc:
                # The others are worth knowing all the same.
                raw[name] = {"error": f"{type(exc).__name__}: {exc}"}
            print(f"{name}: took {time.monotonic() - began:.1f} s", file=sys.stderr)
    return {**about_it, "figures": [each.as_json() for each in figures(raw)], "raw": raw}


def check_only(only, known):
    """That each section that is asked for exists.

    :raises SystemExit: one does not.
    """
    if unknown := [name for name in only if name not in known]:
        raise SystemExit(f"--only knows no {', '.join(unknown)}; it knows {', '.join(known)}.")


def sections(measures, *, quick=False, long=False):
    """What is measured, by name."""
    found = {
        "consume": measures.consume,
        "parts": measures.parts,
        "sleeping": partial(measures.sleeping, ALL_SLEEPERS if long else SLEEPERS),
        "fifo": partial(measures.fifo, 1),
        "send": partial(measures.send, 200 if quick else 400),
        "idle": partial(measures.idle, 1_000),
        "full 50": partial(measures.full, 50),
        "full 500": partial(measures.full, 500),
        "tasks": partial(measures.tasks, 500 if quick else 2_000),
    }
    if long:
        found |= {"fifo bursts": partial(measures.fifo, 10), "celery": measures.celery}
    return found
