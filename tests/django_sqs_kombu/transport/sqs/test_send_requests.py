"""Sending up to ten messages in a request, and what SQS failed of them once more."""

import pytest

from django_sqs_kombu import AccessDenied, EndpointUnreachable
from django_sqs_kombu.transport.sqs.send_requests import may_be_accepted


def test_what_sqs_has_of_a_batch_counts_as_sent_though_it_then_goes_away(requests, scripted):
    def take_one(asked):
        if scripted.counts["SendMessageBatch"] > 1:
            return 403, {"__type": "AccessDenied", "message": "No longer"}
        failed = {"Id": "1", "Code": "InternalError", "Message": "!", "SenderFault": False}
        return {"Successful": [{"Id": "0", "MessageId": "m-0"}], "Failed": [failed]}

    scripted.answers["SendMessageBatch"] = take_one

    first, second = requests.send_batch("orders", [{"MessageBody": "a"}, {"MessageBody": "b"}])

    assert first is None
    assert second.code == "AccessDenied"
    assert [len(asked["Entries"]) for name, asked in scripted.asked if "Batch" in name] == [2, 1]


def test_what_is_refused_after_a_try_whose_answer_was_none_is_in_doubt(requests, scripted):
    def script(asked):
        failed = [
            {"Id": number, "Code": "InternalError", "Message": "!", "SenderFault": False}
            for number in "12"
        ]
        if scripted.counts["SendMessageBatch"] == 1:
            return {"Successful": [{"Id": "0", "MessageId": "m"}], "Failed": failed}
        if scripted.counts["SendMessageBatch"] == 2:
            # The second entry has no end.
            return {"Failed": [{**failed[0], "Id": "0"}]}
        return 403, {"__type": "AccessDenied", "message": "No longer"}

    scripted.answers["SendMessageBatch"] = script
    batch = [{"MessageBody": body} for body in "abc"]

    results = requests.send_batch("orders", batch)

    assert [result and result.code for result in results] == [None, "AccessDenied", "NoAnswer"]
    assert not may_be_accepted(results[1])
    assert may_be_accepted(results[2])
    # As a bulk send, whose first try was made elsewhere.
    lost = EndpointUnreachable("!", operation="SendMessageBatch", queue="orders", code="Closed")
    with pytest.raises(AccessDenied) as refused:
        requests.send_again("orders", batch, lost)
    assert may_be_accepted(refused.value)
