"""Sending up to ten messages in a request, and what SQS failed of them once more."""


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
