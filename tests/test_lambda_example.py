"""The example of AWS Lambda: its template fits its code, and its handler takes AWS's own event."""

import json
import os
import re
import subprocess
import sys

import pytest

from .processes import ROOT

FOLDER = ROOT / "examples" / "lambda"

CALL = """
import json, pathlib, sys
from handler import handler
from django_sqs import queues

class Context:
    def get_remaining_time_in_millis(self):
        return 30_000

answer = handler(json.loads(pathlib.Path(sys.argv[1]).read_text()), Context())
names = {
    queue.full_name(): [queue.full_dead_letter_name, queue.timeout]
    for queue in queues.values() if queue.receiver is not None
}
print(json.dumps([answer, names]))
"""


def call(event, **env):
    """What the handler answers, the queues of the example, and what was printed."""
    keep = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing-secret"}
    done = subprocess.run(
        [sys.executable, "-c", CALL, event],
        cwd=FOLDER,
        env={**keep, **keys, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    *printed, last = done.stdout.splitlines()
    return (*json.loads(last), printed)


@pytest.fixture(scope="module")
def template():
    yaml = pytest.importorskip("yaml")

    class Loader(yaml.SafeLoader):
        """Knows what CloudFormation writes, !GetAtt and its kin."""

    Loader.add_multi_constructor("!", lambda loader, tag, node: f"!{tag} {node.value}")
    return yaml.load((FOLDER / "template.yaml").read_text(), Loader)["Resources"]


@pytest.fixture(scope="module")
def called():
    # No server: what is done asks SQS nothing.
    return call(FOLDER / "event.json", SQS_ENDPOINT_URL="http://127.0.0.1:9")


def test_the_handler_takes_the_event_that_aws_documents(called):
    answer, _, printed = called

    assert answer == {"batchItemFailures": []}
    assert printed == ["packed: Test message."] * 2


def test_the_template_has_the_queues_of_the_receivers(template, called):
    _, names, _ = called
    queues = {
        resource["Properties"]["QueueName"]: resource["Properties"]
        for resource in template.values()
        if resource["Type"] == "AWS::SQS::Queue"
    }
    (name, (dead, timeout)), *others = names.items()

    assert not others
    assert set(queues) == {name, dead}
    assert queues[name]["RedrivePolicy"]["deadLetterTargetArn"] == "!GetAtt OrdersDead.Arn"
    assert template["OrdersDead"]["Properties"]["QueueName"] == dead
    assert timeout < template["Receivers"]["Properties"]["Timeout"]


def test_the_mapping_reports_and_the_visibility_timeout_lasts(template):
    function = template["Receivers"]["Properties"]
    for event in function["Events"].values():
        assert event["Type"] == "SQS"
        mapping = event["Properties"]
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        [resource, _] = mapping["Queue"].removeprefix("!GetAtt ").split(".")
        least = 6 * function["Timeout"] + mapping["MaximumBatchingWindowInSeconds"]
        assert template[resource]["Properties"]["VisibilityTimeout"] >= least


def test_the_function_may_do_what_it_does(template):
    function = template["Receivers"]["Properties"]
    allowed = {
        statement["Resource"]: set(statement["Action"])
        for policy in function["Policies"]
        for statement in policy["Statement"]
    }
    needed = {"ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl"}
    needed |= {"ChangeMessageVisibility", "SendMessage"}

    assert allowed["!GetAtt Orders.Arn"] == {f"sqs:{name}" for name in needed}
    assert "sqs:SendMessage" in allowed["!GetAtt OrdersDead.Arn"]
    module, name = function["Handler"].split(".")
    assert re.search(f"^{name} = ", (FOLDER / f"{module}.py").read_text(), re.M)
