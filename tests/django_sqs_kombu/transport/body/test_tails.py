import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_sqs_kombu.transport.body import envelope
from django_sqs_kombu.transport.body.envelope import parse_envelope, write_envelope
from django_sqs_kombu.transport.body.tails import MOST_KNOWN, OURS, VAIN, Tails

TAIL = ',"content-type":"text/plain","headers":{},"properties":{"priority":3}}'


class Counted:
    """Reads envelopes, and counts them."""

    def __init__(self):
        self.count = 0

    def __call__(self, text):
        self.count += 1
        return envelope._envelope(text)


@pytest.fixture
def read():
    return Counted()


@pytest.fixture
def tails(read):
    return Tails(read)


def ours(body="x", tail=TAIL):
    return f'{{"body":{json.dumps(body)}{tail}'


def seen_thrice(tails, tail):
    return [tails.envelope(ours(body, tail)) for body in ("one", "two", "three")]


def test_a_tail_that_came_twice_is_read_no_more(tails, read):
    seen_thrice(tails, TAIL)
    before = read.count

    found = tails.envelope(ours('four "quoted" \u2603'))

    assert read.count == before
    assert found == envelope._envelope(ours('four "quoted" \u2603'))


def test_each_has_dictionaries_of_its_own(tails):
    seen_thrice(tails, TAIL)
    first, second = tails.envelope(ours()), tails.envelope(ours())

    first["headers"]["x"] = first["properties"]["x"] = 1
    first["properties"]["delivery_info"]["x"] = 1
    first["properties"]["priority"] = 9

    assert second == envelope._envelope(ours())
    assert tails.envelope(ours()) == second


@pytest.mark.parametrize(
    "tail",
    [
        ',"properties":{},"body":"another"}',
        ',"properties":{},"\\u0062ody":"three"}',
        ',"properties":{"body_encoding":"base64"}}',
        ',"properties":{},"headers":{"id":"1"}}',
        ',"properties":{"nested":{"list":[]}}}',
        ',"properties":{"delivery_info":{"list":[1]}}}',
        ',"properties":{"at":{"__type__":"datetime","__value__":"2026-01-01T00:00:00"}}}',
        ',"properties":{"delivery_info":3}}',
        ',"mine":1,"properties":{}}',
        ',"properties":{}} x',
        ',"properties":{}',
        "}",
        "",
    ],
)
def test_whatever_follows_a_body_is_read_as_ever(tails, tail):
    bodies = ("one", "two", "three", "", "AAAA")

    found = [tails.envelope(ours(body, tail)) for body in bodies]

    assert found == [envelope._envelope(ours(body, tail)) for body in bodies]


def test_what_differs_each_time_is_hardly_looked_up(tails, read):
    for number in range(10 * VAIN):
        tails.envelope(ours(tail=f',"properties":{{"correlation_id":"{number}"}}}}'))
    assert not tails._known
    assert read.count == 10 * VAIN

    # It notices when they are the same again.
    for _ in range(4 * VAIN):
        tails.envelope(ours())
    before = read.count
    tails.envelope(ours())

    assert read.count == before


def test_not_all_tails_are_kept(tails):
    for number in range(2 * MOST_KNOWN + 3):
        seen_thrice(tails, f',"properties":{{"priority":{number}}}}}')

    assert 0 < len(tails._known) <= MOST_KNOWN


def test_what_this_library_sends_begins_so():
    message = {
        "body": "text",
        "content-encoding": "utf-8",
        "content-type": "text/plain",
        "headers": {},
        "properties": {"delivery_info": {"exchange": "", "routing_key": "q"}, "priority": 0},
    }

    assert write_envelope(message).startswith(OURS)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
names = st.sampled_from(
    ["body", "properties", "headers", "content-type", "content-encoding", "own"]
)
properties = st.dictionaries(
    st.sampled_from(["delivery_info", "body_encoding", "priority", "sqs_foreign"]), json_values
)


@given(st.dictionaries(names, properties | json_values), st.text(max_size=9))
@settings(max_examples=300)
def test_what_is_known_is_what_is_read(members, body):
    tail = "," + json.dumps(members, separators=(",", ":"))[1:]
    expected = envelope._envelope(ours(body, tail))

    assert [parse_envelope(ours(body, tail)) for _ in range(4)] == [expected] * 4
