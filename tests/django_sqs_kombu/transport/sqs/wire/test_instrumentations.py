"""Instrumentations of boto3, each by its real package, find the requests that they watch."""

import importlib.util
import subprocess
import sys
import textwrap

import pytest

BEGIN = """
import sys, time
from django_sqs_kombu.transport.sqs.clients import Account
from django_sqs_kombu.transport.sqs.requests import Requests

def requests():
    account = Account({"region": "us-east-1"}, access_key_id="k", secret_access_key="s",
        endpoint=sys.argv[1])
    return Requests(account)

def use(requests):
    requests.send_batch("orders", [{"MessageBody": "b"}])
    requests.receive("orders", 1, 0, None)
    requests.delete("orders", {"ReceiptHandle": "h"})
"""

OPENTELEMETRY = """
from opentelemetry import trace
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))

def begin():
    BotocoreInstrumentor().instrument(tracer_provider=provider)

def seen():
    return [span.attributes["rpc.method"] for span in exporter.get_finished_spans()]
"""

XRAY = """
from aws_xray_sdk.core import patch, xray_recorder

class Emitter:
    def __init__(self):
        self.operations = []

    def send_entity(self, entity):
        self.operations += [part.aws["operation"] for part in entity.subsegments]

    def set_daemon_address(self, address):
        pass

emitter = Emitter()
xray_recorder.configure(service="test", sampling=False, emitter=emitter, plugins=())

def begin():
    patch(["botocore"])
    xray_recorder.begin_segment("test")

def seen():
    xray_recorder.end_segment()
    return emitter.operations
"""

SENTRY = """
import sentry_sdk
from sentry_sdk.integrations.boto3 import Boto3Integration
from sentry_sdk.transport import Transport

class Keeping(Transport):
    spans = []

    def capture_envelope(self, envelope):
        for item in envelope.items:
            if item.type == "transaction":
                Keeping.spans += [span["description"] for span in item.payload.json["spans"]]

def begin():
    sentry_sdk.init("http://key@127.0.0.1:9/1", integrations=[Boto3Integration()],
        default_integrations=False, traces_sample_rate=1.0, transport=Keeping)
    global transaction
    transaction = sentry_sdk.start_transaction(name="test")
    transaction.__enter__()

def seen():
    transaction.__exit__(None, None, None)
    sentry_sdk.flush()
    return [description.removeprefix("aws.sqs.") for description in Keeping.spans]
"""

BEFORE = """
begin()
use(requests())
print(*seen())
"""

#: An application may be instrumented when it has sent already.
LATER = """
requests = requests()
use(requests)
begin()
time.sleep(1.1)
use(requests)
print(*seen())
"""

#: A bulk send, whose requests go from several threads then.
BULK = """
from django_sqs_kombu.transport.sending.bulk import BulkSend

begin()
with trace.get_tracer("test", tracer_provider=provider).start_as_current_span("around") as around:
    BulkSend(requests(), "orders", None, None).run(range(60), lambda n: {"MessageBody": str(n)})
spans = [span for span in exporter.get_finished_spans() if span.name != "around"]
assert all(span.context.trace_id == around.context.trace_id for span in spans), spans
print(*(span.attributes["rpc.method"] for span in spans))
"""

PACKAGES = {
    "opentelemetry.instrumentation.botocore": OPENTELEMETRY,
    "aws_xray_sdk": XRAY,
    "sentry_sdk": SENTRY,
}
HOT = ["SendMessage", "ReceiveMessage", "DeleteMessage"]


def script(package, *parts):
    try:
        found = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        found = None
    if found is None:
        pytest.skip(f"{package} is not installed")
    return textwrap.dedent("".join([BEGIN, PACKAGES[package], *parts]))


def run(text, scripted, done=()):
    scripted.answers = {
        "SendMessageBatch": {"Successful": done},
        "SendMessage": {"MessageId": "m"},
        "ReceiveMessage": {"Messages": []},
        "DeleteMessage": {},
    }
    ran = subprocess.run(
        [sys.executable, "-c", text, scripted.url], capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stdout.split()


def over_botocore(scripted):
    pairs = zip(scripted.asked, scripted.headers, strict=True)
    return [op for (op, _), headers in pairs if op in HOT and "amz-sdk-invocation-id" in headers]


@pytest.mark.parametrize("package", PACKAGES)
def test_it_sees_every_request(scripted, package):
    seen = run(script(package, BEFORE), scripted)

    assert over_botocore(scripted) == HOT
    assert [operation for operation in seen if operation in HOT] == HOT


@pytest.mark.parametrize("package", ["opentelemetry.instrumentation.botocore", "aws_xray_sdk"])
def test_one_that_comes_later_sees_every_request_from_then_on(scripted, package):
    # Sentry's sees the clients that are made from then on alone, over boto3, too.
    seen = run(script(package, LATER), scripted)

    assert over_botocore(scripted) == HOT
    assert [operation for operation in seen if operation in HOT] == HOT


def test_requests_of_a_bulk_send_belong_to_the_trace_of_their_sender(scripted):
    text = script("opentelemetry.instrumentation.botocore", BULK)
    done = [{"Id": str(number), "MessageId": "m"} for number in range(10)]

    assert run(text, scripted, done).count("SendMessageBatch") == 6
