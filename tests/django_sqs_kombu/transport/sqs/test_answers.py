"""An answer counts only if it says so; a 200 that is not SQS's answer is a failure that passes."""

import hashlib

import pytest

from django_sqs_kombu import RequestFailed
from django_sqs_kombu.transport.sqs.answers import NotAnAnswer, read_answer
from django_sqs_kombu.transport.sqs.failures import NO_ANSWER, refused

from .conftest import JSON

#: What a proxy, a captive portal or a broken server says with status 200.
NO_ANSWERS = [b"{}", b"<html>It works!</html>", b"[]", b"", b"null", b"5", b'"text"', b"{", b"\xff"]
#: Nested deeper than Python reads.
DEEP = b"[" * 100_000
MESSAGE = {"ReceiptHandle": "h", "MessageId": "m", "Body": "b"}
ENTRIES = [{"MessageBody": "a"}, {"MessageBody": "b"}]
#: Each operation that is sent, and for which of the answers above it is right to be content.
CALLS = {
    "SendMessage": (lambda r: r.send_batch("orders", ENTRIES[:1]), ()),
    "SendMessageBatch": (lambda r: r.send_batch("orders", ENTRIES), ()),
    "DeleteMessage": (lambda r: r.delete("orders", MESSAGE), (b"{}", b"")),
    "DeleteMessageBatch": (lambda r: r.delete_batch("orders", [MESSAGE]), ()),
    "ChangeMessageVisibility": (
        lambda r: r.change_visibility("orders", MESSAGE, 5),
        (b"{}", b""),
    ),
    "ChangeMessageVisibilityBatch": (
        lambda r: r.change_visibility_batch("orders", [MESSAGE], [5]),
        (),
    ),
    "ReceiveMessage": (lambda r: r.receive("orders", 10, 0, None), (b"{}",)),
    "GetQueueUrl": (lambda r: r.url("orders"), ()),
    "GetQueueAttributes": (lambda r: r.counts("orders"), ()),
    "PurgeQueue": (lambda r: r.call("PurgeQueue", "orders"), (b"{}", b"")),
    "DeleteQueue": (lambda r: r.call("DeleteQueue", "orders"), (b"{}", b"")),
    "CreateQueue": (lambda r: r.ask("CreateQueue", "orders", QueueName="orders"), ()),
    "StartMessageMoveTask": (
        lambda r: r.ask("StartMessageMoveTask", "orders", SourceArn="arn"),
        (),
    ),
}


@pytest.mark.parametrize("content_type", [JSON, "text/html"])
@pytest.mark.parametrize("operation", CALLS)
def test_what_is_no_answer_is_a_failure_that_passes(requests, scripted, operation, content_type):
    call, enough = CALLS[operation]
    scripted.content_type = content_type
    for body in NO_ANSWERS:
        scripted.answers[operation] = body
        if body in enough:
            call(requests)
            continue
        with pytest.raises(RequestFailed) as caught:
            call(requests)

        assert caught.value.passing, body
        assert not caught.value.lost
        assert caught.value.operation == operation
        assert "orders" in str(caught.value)


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("operation", CALLS)
def test_what_is_nested_too_deep_is_no_lack_of_credentials(requests, scripted, operation, status):
    call, _ = CALLS[operation]
    scripted.answers[operation] = status, DEEP

    with pytest.raises(RequestFailed) as caught:
        call(requests)

    assert caught.value.code == NO_ANSWER
    assert caught.value.passing


def test_an_entry_that_an_answer_does_not_name_is_not_done(requests, scripted):
    messages = [MESSAGE] * 3
    scripted.answers["DeleteMessageBatch"] = {
        "Successful": [{"Id": "1"}, {"Id": "77"}, {"Id": None}, {}],
        "Failed": [{"Id": "nobody's", "Code": "X", "SenderFault": True}],
    }

    first, second, third = requests.delete_batch("orders", messages)

    assert second is None
    assert first.passing
    assert third.passing


def test_an_accepted_message_has_an_id(requests, scripted):
    scripted.answers["SendMessageBatch"] = {
        "Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": md5("a")}, {"Id": "1"}]
    }

    first, second = requests.send_batch("orders", ENTRIES)

    assert first is None
    assert second.passing
    # It may have been accepted: whoever sends it again must know that.
    assert scripted.counts["SendMessageBatch"] == 1


@pytest.mark.parametrize("count", [1, 2])
def test_another_body_than_was_sent_is_not_accepted(requests, scripted, count):
    wrong = {"MessageId": "m", "MD5OfMessageBody": md5("something else")}
    scripted.answers["SendMessage"] = wrong
    scripted.answers["SendMessageBatch"] = {
        "Successful": [{"Id": str(number), **wrong} for number in range(count)]
    }

    try:
        results = requests.send_batch("orders", ENTRIES[:count])
    except RequestFailed as exc:
        results = [exc]

    assert all(result.passing for result in results)


@pytest.mark.parametrize(
    ("failed", "lost", "passing"),
    [
        ({"Code": "ReceiptHandleIsInvalid", "SenderFault": True}, True, False),
        ({"Code": "AWS.SimpleQueueService.MessageNotInflight", "SenderFault": True}, True, False),
        (
            {
                "Code": "InvalidParameterValue",
                "Message": "Reason: The receipt handle has expired.",
                "SenderFault": True,
            },
            True,
            False,
        ),
        (
            {
                "Code": "InvalidParameterValue",
                "Message": "Total VisibilityTimeout for the message is beyond the limit",
                "SenderFault": True,
            },
            False,
            False,
        ),
        ({"Code": "InternalError", "SenderFault": False}, False, True),
        ({"Code": "KMS.ThrottlingException", "SenderFault": True}, False, True),
        ({"Code": "AccessDenied", "SenderFault": True}, False, False),
    ],
)
def test_a_failed_entry_says_whether_it_is_lost_and_whether_that_passes(
    requests, scripted, failed, lost, passing
):
    scripted.answers["ChangeMessageVisibilityBatch"] = {"Failed": [{"Id": "0", **failed}]}

    [failure] = requests.change_visibility_batch("orders", [MESSAGE], [30])

    assert (failure.lost, failure.passing) == (lost, passing)
    assert failure.copy().lost == lost
    assert failure.copy().passing == passing


@pytest.mark.parametrize(
    ("status", "code", "passing"),
    [
        (500, "InternalFailure", True),
        (503, "Whatever", True),
        (400, "ThrottlingException", True),
        (400, "KMS.ThrottlingException", True),
        (403, "ExpiredToken", True),
        (403, "RequestExpired", True),
        (400, "OverLimit", True),
        (403, "AccessDenied", False),
        (403, "InvalidClientTokenId", False),
        (400, "InvalidMessageContents", False),
        (400, "AWS.SimpleQueueService.NonExistentQueue", False),
    ],
)
def test_an_error_says_whether_it_passes(requests, scripted, status, code, passing):
    answer = {"__type": f"com.amazonaws.sqs#{code}", "message": "no"}
    scripted.answers["SendMessage"] = (status, answer)

    with pytest.raises(RequestFailed) as caught:
        requests.call("SendMessage", "orders", MessageBody="x")

    assert caught.value.passing == passing


def test_a_page_of_a_proxy_is_cut_and_escaped_in_the_error(requests, scripted):
    scripted.content_type = "text/html"
    scripted.answers["SendMessage"] = (403, b"<html>\n\x1b[31m" + b"no entry " * 5_000)

    with pytest.raises(RequestFailed) as caught:
        requests.call("SendMessage", "orders", MessageBody="x")

    assert caught.value.passing
    assert str(caught.value).isprintable()
    assert "<html>" in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("operation", ["ReceiveMessage", "GetQueueUrl", "PurgeQueue"])
def test_a_redirection_says_where_to_and_what_to_do(requests, scripted, operation, status):
    """As of a proxy that is asked by HTTP, and takes HTTPS alone."""
    scripted.location = "https://queues.example/"
    scripted.answers[operation] = status, b"<html>Moved</html>"

    with pytest.raises(RequestFailed, match="redirects to https://queues") as caught:
        CALLS[operation][0](requests)

    assert caught.value.passing
    assert "SQS_ENDPOINT_URL" in str(caught.value)


def test_a_message_of_a_group_is_not_sent_behind_a_later_one(requests, scripted):
    def fail_the_third(asked):
        done, failed = [], []
        for entry in asked["Entries"]:
            said = {"Id": entry["Id"], "MessageId": "m"}
            late = entry["MessageBody"] in ("2 of a", "9 of b") and len(scripted.asked) < 3
            if late:
                failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
            else:
                done.append(said)
        return {"Successful": done, "Failed": failed}

    scripted.answers["SendMessageBatch"] = fail_the_third
    entries = [
        {"MessageBody": f"{number} of {group}", "MessageGroupId": group}
        for number, group in [(1, "a"), (2, "a"), (3, "a"), (8, "b"), (9, "b")]
    ]

    results = requests.send_batch("orders.fifo", entries)

    sent = [
        [entry["MessageBody"] for entry in params["Entries"]]
        for operation, params in scripted.asked
        if operation == "SendMessageBatch"
    ]
    assert sent[1:] == [["9 of b"]]
    assert [result is None for result in results] == [True, False, True, True, True]


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


@pytest.mark.parametrize("body", [b' {"a": 1}\r\n', b'\xef\xbb\xbf{"a": 1}', b'{"a": 1}'])
def test_what_stands_around_json_is_no_part_of_the_answer(body):
    assert read_answer("ReceiveMessage", body) == {"a": 1}


@pytest.mark.parametrize("body", [b'{"a": 1} {}', b'{"a": 1', b'{"a": "\xff"}'])
def test_what_is_json_only_at_first_is_no_answer(body):
    with pytest.raises(NotAnAnswer):
        read_answer("ReceiveMessage", body)


def test_a_denied_batch_names_the_permission_that_iam_knows():
    denied = refused("DeleteMessageBatch", "orders", "AccessDenied", "No!")

    assert "allow sqs:DeleteMessage on queue 'orders'" in str(denied)
