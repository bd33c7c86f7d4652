"""What our classes override or set must be what Kombu means by that name."""

import ast
import inspect
import textwrap

import pytest
from kombu.transport import SQS, virtual

from django_sqs_kombu.transport.channel import Channel
from django_sqs_kombu.transport.delivery import Delivery
from django_sqs_kombu.transport.holding.held import Held
from django_sqs_kombu.transport.qos import QoS
from django_sqs_kombu.transport.transport import Transport

PAIRS = [
    pytest.param(Channel, SQS.Channel, id="Channel"),
    pytest.param(Transport, SQS.Transport, id="Transport"),
    pytest.param(QoS, SQS.QoS, id="QoS"),
    pytest.param(Delivery, virtual.Message, id="Message"),
]
#: Attributes of Kombu's that are set on purpose, with Kombu's meaning.
SET_AS_KOMBU_MEANS_THEM = {
    "Channel": {"hub", "connection", "qos"},
    "Transport": set(),
    "QoS": {"channel"},
    "Message": {
        "_decoded_cache",
        "_raw",
        "_state",
        "accept",
        "body",
        "channel",
        "content_encoding",
        "content_type",
        "delivery_info",
        "delivery_tag",
        "errors",
        "headers",
        "properties",
    },
}


def own_classes(ours, theirs):
    return [cls for cls in ours.__mro__ if cls not in theirs.__mro__]


def missing(name, theirs):
    return (name.startswith("__") and name != "__init__") or not hasattr(theirs, name)


def overridden(ours, theirs):
    for cls in own_classes(ours, theirs):
        for name, value in vars(cls).items():
            if not missing(name, theirs):
                yield name, value, inspect.getattr_static(theirs, name)


def calls(function):
    """The smallest and the largest call of *function*: positional, then by keyword."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    named = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    required = [p for p in named if p.default is p.empty]
    more = [f"more{n}" for n in range(2) if any(p.kind is p.VAR_POSITIONAL for p in parameters)]
    other = {"other": 1} if any(p.kind is p.VAR_KEYWORD for p in parameters) else {}
    yield [p.name for p in required], {}
    yield [p.name for p in named] + more, {}
    yield [], {p.name: p.name for p in required}
    yield [], {p.name: p.name for p in named} | other


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_what_is_overridden_takes_every_call_that_kombus_own_takes(ours, theirs):
    refused = []
    for name, mine, kombus in overridden(ours, theirs):
        if not (inspect.isfunction(mine) and inspect.isfunction(kombus)):
            continue
        for positional, keywords in calls(kombus):
            try:
                bound = inspect.signature(mine).bind("self", *positional, **keywords)
            except TypeError as exc:
                refused.append(f"{name}{inspect.signature(mine)}: {exc}")
                continue
            wrong = [
                f"{name}: {value} comes as {parameter}"
                for parameter, value in bound.arguments.items()
                # What an older Kombu takes without a name may have one here.
                if isinstance(value, str) and value[:4] != "more" and value != parameter != "self"
            ]
            refused.extend(wrong)

    assert not refused


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_a_method_stays_a_method_and_a_value_a_value(ours, theirs):
    def kind(value):
        if inspect.isclass(value):
            return "class"
        return "method" if inspect.isfunction(value) else "value"

    changed = [n for n, mine, kombus in overridden(ours, theirs) if kind(mine) != kind(kombus)]

    assert not changed


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_no_attribute_of_ours_hides_one_of_kombus(ours, theirs, request):
    def assigned(cls):
        """The names that methods of *cls* set on ``self``, and its annotations."""
        names = set(inspect.get_annotations(cls))
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(cls)))):
            set_here = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
            if set_here and ast.unparse(node.value) == "self":
                names.add(node.attr)
        return names

    mine = set().union(*(assigned(cls) for cls in own_classes(ours, theirs)))
    kombus = set(dir(theirs)).union(*(assigned(cls) for cls in theirs.__mro__ if cls is not object))
    meant = SET_AS_KOMBU_MEANS_THEM[request.node.callspec.id]

    assert mine & kombus <= meant


def test_a_delivery_has_all_that_kombus_own_constructor_sets(receivers):
    payload = {
        "body": "text",
        "content-type": "text/plain",
        "content-encoding": "utf-8",
        "headers": {"name": "value"},
        "properties": {"delivery_tag": "t", "delivery_info": {"exchange": ""}, "priority": 1},
    }
    message = {"ReceiptHandle": "t", "MessageId": "m", "Body": "x"}
    with receivers.new_connection() as connection:
        channel = connection.default_channel
        kombus = vars(virtual.Message(dict(payload), channel=channel))
        ours = Delivery({**payload, "held": Held("q", message, 60, 0.0)}, channel=channel)

        names = {name for cls in virtual.Message.__mro__ for name in getattr(cls, "__slots__", ())}
        names = (names | set(kombus)) - {"__dict__", "_raw"}
        theirs = virtual.Message(dict(payload), channel=channel)
        assert {name: getattr(ours, name) for name in names} == {
            name: getattr(theirs, name) for name in names
        }
