"""A FIFO queue whose workers are killed and restarted: each group keeps its order."""

import os
import signal
import time

from .conftest import LONG
from .test_kills import children_of

GROUPS, EACH, KILLS = (8, 30, 8) if LONG else (4, 10, 2)


def test_kills_and_restarts_keep_the_order_of_each_group(project, sqs, eventually, counts):
    name = f"{project.prefix}__lanes.fifo"
    attributes = {"FifoQueue": "true", "VisibilityTimeout": "3"}
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    for number in range(EACH):
        for group in "abcdefgh"[:GROUPS]:
            body = f"{group}-{number:02}"
            sqs.send_message(
                QueueUrl=url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=body
            )
    options = ("runreceiver", "lanes.fifo", "--processes=2", "--threads=2")
    worker = project.start(*options, TEST_VISIBILITY_TIMEOUT="3")

    def finished():
        return {run["body"] for run in project.runs("lanes.fifo") if run["finished"]}

    for _ in range(KILLS):
        done = len(finished())
        eventually(lambda done=done: len(finished()) > done + 2, timeout=40)
        os.kill(eventually(lambda: children_of(worker.pid))[0], signal.SIGKILL)
        time.sleep(0.2)
    worker.signal(signal.SIGTERM)
    assert worker.wait(20) == 0, worker.output
    project.start(*options, TEST_VISIBILITY_TIMEOUT="3")
    eventually(lambda: len(finished()) == GROUPS * EACH, timeout=90)
    eventually(lambda: counts(name) == (0, 0, 0))

    lanes = {}
    for run in project.runs("lanes.fifo"):
        lanes.setdefault(run["body"][0], []).append((run["body"], run["finished"]))
    for runs in lanes.values():
        bodies = [body for body, _ in runs]
        # Twice in a row is only what a kill has struck, and nothing comes before its turn.
        assert bodies == sorted(bodies), runs
        assert len(set(bodies)) == EACH
    again = sum(len(runs) for runs in lanes.values()) - GROUPS * EACH
    assert again <= KILLS * 2
