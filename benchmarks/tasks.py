"""What stored results cost a task: the same tasks with and without them, in turns.

``python -m benchmarks tasks``; a database on PostgreSQL by ``BENCH_DATABASE``, the JSON of
Django's settings of it.  ``python -m benchmarks connections``: what it saves to keep
connections, where each task writes its result.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

from .costs import RECEIVING

#: Of 800, a fifth of what a plain one costs was before the first was measured, or after the last:
#: they are received ahead, and run in an eighth of a second.
ROUNDS, COUNT = 3, 3_000
#: As many are run first: as the other contenders, it is measured once code is loaded and each
#: thread's connection is open.
WARMING = 200
RUN = "from benchmarks import task_contender; task_contender.main(%d)"


def measure_tasks(server):
    """The medians with and without results, and how many times dearer a task is with them.

    :param server: a :class:`~benchmarks.servers.Stack`, which counts requests in a last round.
    """
    url = server.direct
    rounds = {"without": [], "with": []}
    for _ in range(ROUNDS):
        for kind, figures in rounds.items():
            figures.append(run(url, kind, COUNT))
    medians = {
        kind: {name: statistics.median(each[name] for each in figures) for name in figures[0]}
        for kind, figures in rounds.items()
    }
    ratio = medians["with"]["cpu_us"] / medians["without"]["cpu_us"]
    requests = {kind: _requests(server, kind) for kind in rounds}
    return {**medians, "cpu_ratio": ratio, "received_and_deleted_requests": requests}


def _requests(server, kind):
    """Requests to receive and delete a task."""
    server.reset()
    run(server.url, kind, COUNT)
    counted = server.stats()["requests"]
    return sum(counted.get(name, 0) for name in RECEIVING) / (COUNT + WARMING)


def measure_connections(url):
    """The medians of tasks with results where connections are kept, and where they are not."""
    rounds = {"kept": [], "not kept": []}
    for _ in range(ROUNDS):
        for kind, figures in rounds.items():
            figures.append(run(url, "with", COUNT, kept=kind == "kept"))
    return {
        kind: {name: statistics.median(each[name] for each in figures) for name in figures[0]}
        for kind, figures in rounds.items()
    }


def run(url, kind, count, *, kept=True):
    """The figures of *count* tasks, ``"with"`` results or ``"without"`` them.

    :param kept: whether a worker keeps its connections, as it does by default.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(Path(folder) / "bench.sqlite3")}
        given = os.environ.get("BENCH_DATABASE")
        database = json.loads(given) if given else file
        env = {
            "BENCH_URL": url,
            "BENCH_PREFIX": f"bench-{uuid.uuid4().hex[:8]}",
            "BENCH_RESULTS": "yes" if kind == "with" else "no",
            "BENCH_CONN_MAX_AGE": "60" if kept else "0",
            "BENCH_DATABASE": json.dumps(database),
        }
        done = subprocess.run(
            [sys.executable, "-c", RUN % count],
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )
    return json.loads(done.stdout.splitlines()[-1])
