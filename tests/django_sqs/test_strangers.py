"""What strangers can do: models, credentials, policies, checks."""

import json
import logging
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import modify_settings
from django.views.debug import technical_500_response

import django_sqs
from django_sqs.events import S3Event, SNSMessage
from django_sqs.message import ModelInstanceMessage
from django_sqs_kombu import ReceiverConsumer

from .checked import problems

SECRET = "testing-secret"


def test_a_row_of_another_model_is_refused_before_it_is_read(project, eventually, prefix, counts):
    worker = project.start("runreceiver", "rows")
    project.run(
        "shell",
        "-c",
        "import django_sqs; from tests.site.shop.models import *;"
        "from django_sqs.message import ModelInstanceMessage as M;"
        "r = Run.objects.create(queue='x', body='secret', message_id='', pid=0, thread='');"
        "django_sqs.queues['rows'].models = None;"  # a stranger's sends are not checked
        "django_sqs.send('rows', M(instance=r));"
        "django_sqs.send('rows', M(instance=Order.objects.create(title='tea')))",
    )

    eventually(lambda: project.bodies("rows") == ["tea"], timeout=30)
    eventually(lambda: "rows of shop.Run are not for this queue" in worker.output)
    eventually(lambda: counts(f"{prefix}__rows") == (0, 0, 0))


def test_without_models_a_check_warns(site):
    django_sqs.register("any_rows", lambda message: None, message_class=ModelInstanceMessage)
    try:
        [warning] = problems()
    finally:
        del django_sqs.queues["any_rows"]

    assert warning.id == "django_sqs.W001"
    assert "any_rows" in warning.msg
    assert "models=" in warning.hint


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://sqs.example.com:4566", True),
        ("https://sqs.example.com", False),
        ("http://localhost:4566", False),
        ("http://[::1]:4566", False),
    ],
)
def test_plain_http_off_this_machine_warns(url, warned, site):
    site.SQS_ENDPOINT_URL = url

    found = [problem.id for problem in problems()]

    assert found == (["django_sqs.W002"] if warned else [])


def test_a_short_token_is_refused_and_not_shown(site):
    site.SQS_VIEW_TOKEN = "hunter2"

    [problem] = problems()

    assert "SQS_VIEW_TOKEN" in problem.msg
    assert "hunter2" not in problem.msg


def test_credentials_are_shown_nowhere(site, server, caplog):
    caplog.set_level(logging.DEBUG, logger="django_sqs")
    caplog.set_level(logging.DEBUG, logger="django_sqs_kombu")
    connection = django_sqs.receivers.new_connection()
    consumer = ReceiverConsumer(django_sqs.receivers, [django_sqs.queues["plain"]], message_limit=1)
    name = django_sqs.queues["plain"].full_name()
    server.faults["SendMessage", name] = (403, "SignatureDoesNotMatch")
    with pytest.raises(django_sqs.SQSError) as raised:
        django_sqs.send("plain", body="x")
    del server.faults["SendMessage", name]

    shown = [
        connection.as_uri(),
        repr(connection),
        repr(connection.transport),
        repr(connection.default_channel),
        repr(django_sqs.receivers),
        repr(django_sqs.queues["plain"]),
        repr(consumer),
        str(raised.value),
        caplog.text,
    ]
    connection.close()
    assert not [text for text in shown if SECRET in text]


def test_debug_pages_show_no_secret_of_ours(site, rf):
    site.DEBUG = True
    for name in ("SQS_WAKE_PASSWORD", "SQS_SECRET_ACCESS_KEY", "SQS_SESSION_TOKEN"):
        setattr(site, name, SECRET)
    site.SQS_VIEW_TOKEN = SECRET
    site.AWS_SESSION_TOKEN = SECRET

    page = technical_500_response(rf.get("/"), ValueError, ValueError("x"), None)

    assert "SQS_WAKE_PASSWORD" in page.content.decode()
    assert SECRET not in page.content.decode()


def policy(*args):
    from io import StringIO

    out = StringIO()
    call_command("sqs_policy", *args, stdout=out)
    return json.loads(out.getvalue())


def test_an_account_or_region_that_makes_no_arn_is_refused():
    [copied] = policy("plain", "--account=1234-5678-9012")["Statement"]
    assert all(":123456789012:" in arn for arn in copied["Resource"])

    for wrong in ("--account=12", "--account=shop", "--region=eu-central-1a", "--region=eu_west_1"):
        with pytest.raises(CommandError, match=f"must be .*{wrong.partition('=')[2]}"):
            policy("plain", wrong)


def test_policies_are_least(site, prefix):
    site.SQS_CREATE_QUEUES = False
    [sender] = policy("plain", "--role=sender", "--account=123456789012")["Statement"]
    [receiver] = policy("plain", "--account=123456789012", "--region=eu-west-1")["Statement"]

    assert sender["Action"] == ["sqs:GetQueueUrl", "sqs:SendMessage"]
    assert sender["Resource"] == [
        f"arn:aws:sqs:us-east-1:123456789012:{prefix}__plain{suffix}"
        for suffix in ("", "__big", "__small")
    ]
    assert "sqs:SendMessage" not in receiver["Action"]
    assert "sqs:CreateQueue" not in receiver["Action"]
    assert all(":eu-west-1:" in arn for arn in receiver["Resource"])


def test_a_receiver_may_send_again_what_must_not_count_for_a_redrive_policy(site, prefix):
    site.SQS_CREATE_QUEUES = False
    receive, resend = policy("plain", "watched")["Statement"]

    assert "sqs:SendMessage" not in receive["Action"]
    assert resend["Action"] == ["sqs:SendMessage"]
    assert [arn.rpartition(":")[2] for arn in resend["Resource"]] == [
        f"{prefix}__watched",
        f"{prefix}__watched__big",
    ]


def test_a_receiver_may_send_one_by_one_what_stands_for_several(site):
    site.SQS_CREATE_QUEUES = False
    django_sqs.register("uploads", print, message_class=S3Event)
    django_sqs.register("published", print, message_class=SNSMessage)
    _, resend = policy("uploads", "published")["Statement"]

    assert resend["Action"] == ["sqs:SendMessage"]
    assert [arn.rpartition("__")[2] for arn in resend["Resource"]] == ["uploads"]
    # A record that its queue does not take is a dead letter alone.
    django_sqs.register("images", print, message_class=S3Event, dead_letter_queue="lost")
    _, resend = policy("images")["Statement"]
    assert [arn.rpartition("__")[2] for arn in resend["Resource"]] == ["images", "lost"]


def test_a_receiver_may_send_the_slots_of_a_schedule_that_sqs_sees_to(site):
    site.SQS_CREATE_QUEUES = False
    django_sqs.register("tick.fifo", print, every=timedelta(minutes=1))
    with modify_settings(INSTALLED_APPS={"remove": "django_sqs.schedules"}):
        _, slots = policy("tick.fifo")["Statement"]

    assert slots["Action"] == ["sqs:SendMessage"]
    assert [arn.rpartition("__")[2] for arn in slots["Resource"]] == ["tick.fifo"]


def test_policies_follow_the_settings_and_options(site):
    site.SQS_LARGE_PAYLOAD_BUCKET = "a-bucket"
    queue, resend, objects, written, bucket = policy("started")["Statement"]

    assert "sqs:CreateQueue" in queue["Action"]
    assert resend["Action"] == ["sqs:SendMessage"]
    assert objects["Action"] == ["s3:DeleteObject", "s3:GetObject"]
    # The second is what Amazon's Extended Clients write.
    assert objects["Resource"] == [
        "arn:aws:s3:::a-bucket/????????-????-????-????-????????????",
        "arn:aws:s3:::a-bucket/django-sqs/*",
    ]
    # What is sent again has a payload of its own.
    assert written["Action"] == ["s3:PutObject"]
    assert written["Resource"] == ["arn:aws:s3:::a-bucket/django-sqs/*"]
    # Else S3 does not say that an object is gone.
    assert (bucket["Action"], bucket["Resource"]) == (["s3:ListBucket"], ["arn:aws:s3:::a-bucket"])
    site.SQS_TRANSPORT_OPTIONS = {"large_payload_prefix": "shop/"}
    objects = policy("started", "--role=sender")["Statement"][-1]
    assert objects["Action"] == ["s3:PutObject"]
    assert objects["Resource"] == ["arn:aws:s3:::a-bucket/shop/*"]
    administrator = policy("--role=administrator")["Statement"][0]["Action"]
    assert {"sqs:PurgeQueue", "sqs:StartMessageMoveTask"} <= set(administrator)
    with pytest.raises(CommandError, match="nowhere"):
        policy("nowhere")


@pytest.mark.parametrize(
    ("region", "partition"),
    [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-west-1", "aws"), ("*", "aws")],
)
def test_policies_name_the_partition_of_the_region(site, region, partition):
    site.SQS_LARGE_PAYLOAD_BUCKET = "a-bucket"
    statements = policy("plain", f"--region={region}")["Statement"]

    arns = [arn for statement in statements for arn in statement["Resource"]]
    assert {arn.split(":")[1] for arn in arns} == {partition}


def test_policies_allow_the_keys_of_encrypted_queues(site, monkeypatch):
    monkeypatch.setattr(django_sqs.receivers, "queues", dict(django_sqs.queues))
    for name, key in {"own": "1234-5678", "named": "alias/mine", "aws": "alias/aws/sqs"}.items():
        django_sqs.register(name, print, kms_key=key)

    receiver = policy("own", "named", "aws", "--account=123456789012")["Statement"][1:]
    sending = policy("own", "--account=123456789012", "--sends")["Statement"][1:]

    by_id, by_alias = receiver
    assert by_id["Action"] == by_alias["Action"] == ["kms:Decrypt"]
    assert by_id["Resource"] == ["arn:aws:kms:us-east-1:123456789012:key/1234-5678"]
    assert by_alias["Condition"] == {
        "ForAnyValue:StringEquals": {"kms:ResourceAliases": ["alias/mine"]}
    }
    assert [statement["Action"] for statement in sending] == [
        ["sqs:SendMessage"],
        ["kms:Decrypt", "kms:GenerateDataKey"],
    ]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("KMS.AccessDeniedException", "The ciphertext refers to a key that you cannot use."),
        ("KmsAccessDenied", "The caller does not have the required KMS permissions."),
        ("AccessDenied", "User is not authorized to perform: kms:GenerateDataKey on resource"),
    ],
)
def test_a_key_that_is_denied_is_told_as_that(server, monkeypatch, code, text):
    name = django_sqs.queues["plain"].full_name()
    django_sqs.send("plain", body="x")
    server.faults["SendMessage", name] = (400, code, text)
    with pytest.raises(django_sqs.SQSError, match="Access to the KMS key") as raised:
        django_sqs.send("plain", body="x")
    del server.faults["SendMessage", name]

    assert "allow sqs:" not in str(raised.value)


def test_the_receivers_policy_is_enough(project, eventually, server, prefix):
    """Every operation that a worker uses is in the policy that is printed for it."""

    def used():
        return {op.removesuffix("Batch") for op, queue in server.requests if prefix in queue}

    before = used()
    worker = project.start("runreceiver", "plain", "restart", "--processes=1")
    project.run(
        "shell",
        "-c",
        "import django_sqs; [django_sqs.send(q, body='x') for q in ('plain', 'restart')]",
    )
    eventually(lambda: len(project.runs("restart")) == 2, timeout=30)
    worker.end()

    [statement] = policy()["Statement"][:1]
    allowed = {action.removeprefix("sqs:") for action in statement["Action"]}
    assert used() - before - allowed == {"SendMessage"}
