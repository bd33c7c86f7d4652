"""What cannot be made into a message of a FIFO group is not overtaken by what follows in it."""

from contextlib import nullcontext

import pytest

from django_sqs_kombu import RawMessage, ReceiverConsumer, SendManyFailed


class Encoding(RawMessage):
    def encode(self, value):
        if value == "bad":
            raise KeyError("its encoder fails")
        return value


class Made(RawMessage):
    @classmethod
    def from_value(cls, value):
        if value == "bad":
            raise ValueError("its value is none")
        return cls(body=value)


class Plain(RawMessage):
    pass


@pytest.mark.parametrize("batched", [False, True], ids=["at once", "in a batch"])
@pytest.mark.parametrize(
    ("kind", "bad", "expires"),
    [
        (Encoding, "bad", None),
        (Made, "bad", None),
        (Plain, object(), None),
        (Plain, "x" * 1_100_000, None),
        (Plain, "late", [60, 60, -5, 60, 60]),
    ],
    ids=["encode", "from_value", "value", "refused", "expires"],
)
@pytest.mark.parametrize("grouped", ["each", "by function", "default"])
def test_what_follows_in_its_group_is_not_sent(receivers, kind, bad, expires, grouped, batched):
    groups = ["a", "b", "a", "a", "b"]
    items = ["a1", "b1", bad, "a2", "b2"]
    seen = []
    receivers.register(
        "orders.fifo", lambda message: seen.append(message.get_body()), message_class=kind
    )
    group_id = {
        "each": groups,
        "by function": lambda item: groups[items.index(item)],
        "default": None,
    }[grouped]

    with receivers.batch() if batched else nullcontext(), pytest.raises(SendManyFailed) as caught:
        receivers.send_many("orders.fifo", items, group_id=group_id, expires=expires)

    failed = [2, 3, 4] if grouped == "default" else [2, 3]
    assert [failure.number for failure in caught.value.failures] == failed
    ReceiverConsumer(receivers, message_limit=5 - len(failed)).run()
    assert sorted(seen) == (["a1", "b1"] if grouped == "default" else ["a1", "b1", "b2"])


@pytest.mark.parametrize(("kind", "cause"), [(Encoding, KeyError), (Made, ValueError)])
def test_why_an_item_could_not_be_made_is_kept_as_the_cause(receivers, kind, cause):
    receivers.register("orders", None, message_class=kind)

    with pytest.raises(SendManyFailed) as caught:
        receivers.send_many("orders", ["bad"])

    assert isinstance(caught.value.failures[0].error.__cause__, cause)
