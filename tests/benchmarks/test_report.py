"""The documentation's tables and charts: what they say is what was counted."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

from benchmarks.__main__ import CLIENT, RESULTS
from benchmarks.charts import FIGURES, NAMES, WIDTH, bars
from benchmarks.client.page import client_sections
from benchmarks.client.program import check_only
from benchmarks.costs import cost_tables, single_each, ways
from benchmarks.made import quiet
from benchmarks.report import charts
from benchmarks.runner import SECTIONS

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def results():
    return json.loads(RESULTS.read_text())


def test_a_plain_send_is_a_request_and_ten_share_one_where_they_can(results):
    requests = ways(results)

    assert requests["send"] == pytest.approx((1.0, 0.2), abs=0.05)
    assert requests["in bulk"] == pytest.approx((0.1, 0.2), abs=0.05)
    assert requests["send, rare"] == pytest.approx((1.0, 2.0), abs=0.05)
    assert requests["Celery"] == pytest.approx((1.0, 1.1), abs=0.05)
    # Nobody shares what comes one at a time.
    assert requests["Celery, rare"] == requests["send, rare"]


def test_the_poll_that_found_nothing_is_not_counted_for_messages():
    requests = {"ReceiveMessage": 21, "DeleteMessageBatch": 20, "GetQueueUrl": 2}

    assert single_each(requests, 20) == 2


def test_the_cost_of_a_million_messages_is_that_of_their_requests(results):
    [row] = [line for line in cost_tables(results).splitlines() if line.startswith("send  ")]

    assert row.split() == ["send", "1.0", "0.2", "1.2", "$0.49"]


def test_a_bar_is_as_long_as_its_figure_and_says_it_to_those_who_do_not_see_it():
    chart = ElementTree.fromstring(bars("Cost", {"a & b": (1, 3), "c": (2,)}, ("x", "y")))

    widths = [float(bar.get("width")) for bar in chart.iter(f"{SVG}rect") if bar.get("y") != "4"]
    longest = WIDTH - NAMES - FIGURES
    assert widths == pytest.approx([longest / 4, longest * 3 / 4, longest / 2], abs=0.1)
    assert chart.get("role") == "img"
    assert chart.get("aria-label") == "Cost: a & b 4.00; c 2.00"


def test_every_chart_has_all_of_its_contenders(results):
    for name, chart in charts(results).items():
        texts = {each.text for each in ElementTree.fromstring(chart).iter(f"{SVG}text")}
        expected = ways(results) if name == "requests.svg" else results["consume"]["20 ms"]
        assert set(expected) <= texts
        # Of 12 units' height a letter is 6.6 wide on average, in the widest fonts.
        assert max(map(len, expected)) * 6.6 + 8 <= NAMES


def test_every_figure_of_the_client_has_its_place():
    client = json.loads(CLIENT.read_text())

    page = "\n".join(client_sections(client))

    assert "Others" not in page
    rows = sum(line.count("us") > 0 or "/s" in line for line in page.splitlines())
    assert rows >= len([each for each in client["figures"] if each["unit"] in ("us", "/s")])


@pytest.mark.parametrize(("load", "calm"), [("0.3", True), ("2.0", True), ("2.1", False)])
def test_messages_a_second_are_told_only_of_a_machine_with_nothing_else_to_do(load, calm):
    assert quiet({"machine": f"AMD EPYC, 2 cores, load {load}"}) is calm


def test_a_section_that_is_not_there_is_told_as_such():
    check_only(["send", "idle"], SECTIONS)

    with pytest.raises(SystemExit, match=r"knows no sent; it knows send, consume"):
        check_only(["idle", "sent"], SECTIONS)
