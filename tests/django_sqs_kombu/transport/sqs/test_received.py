"""What ReceiveMessage hands out is looked at: a wrong message harms none of its neighbours."""

import hashlib

import pytest

GOOD = {"ReceiptHandle": "good", "MessageId": "1", "Body": "b"}


def received(requests, scripted, *messages, queue="orders"):
    scripted.answers["ReceiveMessage"] = {"Messages": list(messages)}
    return requests.receive(queue, 10, 0, None)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"ReceiptHandle": None}, "has no ReceiptHandle"),
        ({"ReceiptHandle": ""}, "has no ReceiptHandle"),
        ({"MessageId": None}, "has no MessageId"),
        ({"Body": None}, "has no Body"),
        ({"MD5OfBody": hashlib.md5(b"another").hexdigest()}, "MD5"),
    ],
)
def test_a_wrong_message_is_left_out_and_logged_once(requests, scripted, caplog, wrong, says):
    bad = {"ReceiptHandle": "bad", "MessageId": "2", "Body": "b", **wrong}
    bad = {name: value for name, value in bad.items() if value is not None}

    for _ in range(3):
        [message] = received(requests, scripted, bad, GOOD)
        assert message["MessageId"] == "1"

    assert caplog.text.count(says) == 1


def test_a_body_with_its_md5_sum_is_handed_on(requests, scripted):
    md5 = hashlib.md5("zażółć".encode()).hexdigest()

    [message] = received(requests, scripted, {**GOOD, "Body": "zażółć", "MD5OfBody": md5})

    assert message["Body"] == "zażółć"


def test_a_receipt_handle_stands_for_one_message(requests, scripted):
    assert len(received(requests, scripted, GOOD, GOOD)) == 1


@pytest.mark.parametrize(
    "attributes",
    [{"ApproximateReceiveCount": "many"}, {"ApproximateReceiveCount": ""}, {"SenderId": None}, {}],
)
def test_attributes_that_are_none_of_sqs_are_left_out(requests, scripted, attributes):
    [message] = received(requests, scripted, {**GOOD, "Attributes": attributes})

    assert message["Attributes"] == {}


def test_a_forged_id_cannot_forge_a_line_of_the_log(requests, scripted, caplog):
    received(requests, scripted, {"MessageId": "x\nERROR all is lost", "Body": "b"})

    assert "\nERROR all is lost" not in caplog.text


def test_both_names_of_the_system_attributes_are_asked_for(requests, scripted):
    received(requests, scripted)

    _, asked = scripted.asked[-1]
    assert asked["AttributeNames"] == asked["MessageSystemAttributeNames"] == ["All"]


def test_a_server_without_message_groups_is_told_once(requests, scripted, caplog):
    for _ in range(3):
        assert received(requests, scripted, GOOD, queue="orders.fifo")
    assert caplog.text.count("without their message groups") == 1

    caplog.clear()
    with_group = {**GOOD, "Attributes": {"MessageGroupId": "g"}}
    received(requests, scripted, with_group, queue="others.fifo")
    received(requests, scripted, GOOD, queue="standard")
    assert "without their message groups" not in caplog.text
