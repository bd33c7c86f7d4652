"""The supervisor forks while its threads write logs: no child waits for a lock of theirs."""

import subprocess
import sys

from ...processes import ROOT

#: A thread logs without end to a slow disk while children start, each of which logs a line.
LOGS_ON = """
import io, logging, signal, sys, threading, time
from django_sqs.worker.supervisor import Child, Supervisor

class SlowDisk(io.FileIO):
    def write(self, data):
        time.sleep(0.005)
        return super().write(data)

disk = io.TextIOWrapper(io.BufferedWriter(SlowDisk(sys.argv[1], "a")))
logging.basicConfig(handlers=[logging.StreamHandler(disk)], level=logging.INFO)

def log_on():
    while True:
        logging.info("a line of the supervisor's")

threading.Thread(target=log_on, daemon=True).start()

def run():
    signal.alarm(5)
    logging.info("a child's line")
    return 0

children = [Child(str(number), run) for number in range(int(sys.argv[2]))]
raise SystemExit(Supervisor(children, grace_period=5).run())
"""

#: Without care nearly every child hangs.
CHILDREN = 10


def test_no_child_hangs_on_a_log_that_the_supervisor_was_writing(tmp_path):
    log = tmp_path / "log"
    command = [sys.executable, "-c", LOGS_ON, str(log), str(CHILDREN)]
    ended = subprocess.run(command, cwd=ROOT, timeout=60, capture_output=True, check=False)

    assert ended.returncode == 0, ended.stderr.decode()[-2000:]
    text = log.read_text()
    assert "SIGALRM" not in text
    assert text.count("a child's line") == CHILDREN
