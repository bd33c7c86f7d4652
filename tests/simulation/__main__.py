"""Tries seeds: each in every weather, in a process of its own."""

import argparse
import gc
import io
import json
import logging
import os
import random
import signal
import sys
import traceback
from pathlib import Path

from . import seams
from .kombu_consumer import KombuConsumer
from .site import Site
from .sqs import SQS, Weather
from .world import World

WEATHERS = {
    "calm": Weather(),
    "slow": Weather(latency=0.5, slow=0.05, slowest=3.0),
    "flaky": Weather(lost=0.05, throttled=0.05, entry=0.05),
    "foul": Weather(
        lost=0.03, answer_lost=0.05, throttled=0.03, entry=0.05, slow=0.03, slowest=4.0
    ),
}
KINDS = {"kombu": KombuConsumer, "site": Site}
#: Real seconds after which one that is not done is taken to hang.
PATIENCE = 120
#: How many of the last events of a message are shown.
SHOWN = 40


def try_one(seed, kind, weather):
    """What must not be, and was: a list of texts."""
    world = World(f"{seed} {kind} {weather}")
    # Of backoffs.
    random.seed(f"{seed} {kind} {weather}")
    sqs = SQS(world, WEATHERS[weather])
    logged = io.StringIO()
    logging.basicConfig(stream=logged, level=logging.WARNING, force=True)
    seams.install(world, sqs)
    used = KINDS[kind](world, sqs, calm=weather in ("calm", "slow"))
    try:
        used.run()
    except BaseException:
        world.errors.append(traceback.format_exc())
    found = [_told(world, problem) for problem in used.problems]
    found += world.errors
    if "\nTraceback" in (text := logged.getvalue()) and not used.raises:
        found.append(text[text.index("\nTraceback") - 500 :][:4000])
    return found


def _told(world, problem):
    what, when, *named = problem
    events = [e for e in world.log if e[0] <= when and set(named) & set(map(str, e[2:]))]
    lines = [f"  {' '.join(map(str, each))}" for each in events[-SHOWN:]]
    return "\n".join([f"{what}, at {when}: {' '.join(named)}", *lines])


def in_a_process(seed, kind, weather):
    """The same, in a process that forgets all of it."""
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        # What a collection ends, it ends at a time that no seed decides.
        gc.disable()
        signal.alarm(PATIENCE)
        with os.fdopen(writes, "w") as file:
            json.dump(try_one(seed, kind, weather), file)
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as file:
        answer = file.read()
    _, status = os.waitpid(child, 0)
    return json.loads(answer) if answer else [f"it ended with status {status}"]


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("end", type=int, help="the seed after the last one")
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--weather", choices=WEATHERS, action="append")
    args = parser.parse_args()
    tried = failed = 0
    for seed in range(args.first, args.end):
        for kind in args.kind or KINDS:
            for weather in args.weather or WEATHERS:
                tried += 1
                if found := in_a_process(seed, kind, weather):
                    failed += 1
                    print(f"--- seed {seed}, {kind}, {weather}:", *found[:3], sep="\n", flush=True)
    print(f"{tried} tried, {failed} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    # The order of sets must be the same each time.
    if os.environ.get("PYTHONHASHSEED") != "0":
        command = [sys.executable, "-m", "tests.simulation", *sys.argv[1:]]
        os.chdir(Path(__file__).resolve().parents[2])
        os.execve(sys.executable, command, {**os.environ, "PYTHONHASHSEED": "0"})
    main()
