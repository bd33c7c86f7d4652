"""The arithmetic of what the client costs, and that it is measured of real contenders."""

import json

import pytest

from benchmarks.__main__ import CLIENT, PAGE, RESULTS
from benchmarks.client.figures import Figure, at_least, at_most, figures, ratio
from benchmarks.client.measures import LOOP, MANY, ONE, SINGLE, TEN, Measures, look
from benchmarks.client.text import text
from benchmarks.report import table
from benchmarks.servers import stub as run_stub


def looks(*pairs):
    return [{"cpu_us": cpu, "per_second": speed} for cpu, speed in pairs]


def test_a_ratio_is_the_median_of_those_of_each_turn():
    measured = {
        ONE: looks((50, 1), (90, 1), (60, 1)),
        LOOP: looks((200, 1), (100, 1), (200, 1)),
    }

    found = ratio("receive", measured, ONE, LOOP, "cpu_us", "us", at_most(0.3))

    # 0.25, 0.9 and 0.3; the ratio of the medians is the same here, that of the means is not.
    assert found.value == pytest.approx(0.3)
    assert found.seen == "60 to 200 us"
    assert found.met


def test_turns_in_which_nothing_was_handled_do_not_count():
    measured = {ONE: looks((None, 0), (50, 0)), LOOP: looks((100, 0), (100, 0))}

    assert ratio("CPU", measured, ONE, LOOP, "cpu_us", "us").value == 0.5
    assert ratio("speed", measured, ONE, LOOP, "per_second", "/s", at_least(1)).met is False


def test_a_goal_is_met_at_its_limit_and_never_by_what_failed():
    assert Figure("a", 0.3, "x", at_most(0.3)).met
    assert not Figure("a", 0.31, "x", at_most(0.3)).met
    assert Figure("a", 60, "x", at_least(60)).met
    assert Figure("a", None, "x", at_most(0.3)).met is False
    assert Figure("a", 1, "x").met is None


def test_a_look_is_the_difference_of_two_samples():
    found = look(
        {"started": 100, "at": 5.0, "cpu": 1.0},
        {"started": 300, "at": 5.5, "cpu": 1.01},
        {"deleted": 90, "requests": {"ReceiveMessage": 10, "GetQueueUrl": 1}},
        {
            "deleted": 290,
            "requests": {"ReceiveMessage": 30, "DeleteMessageBatch": 20, "GetQueueUrl": 9},
        },
    )

    assert found["per_second"] == pytest.approx(400)
    assert found["cpu_us"] == pytest.approx(50)
    # What a queue costs once is not among them.
    assert found["requests_per_message"] == pytest.approx(0.2)


def test_a_section_that_failed_is_a_figure_without_a_value_and_the_others_count():
    fifo = {"per_second": 160.0, "requests_per_message": 0.6, "burst": 1}

    failed, speed, requests = figures({"idle": {"error": "Failed: it has ended"}, "fifo": fifo})

    assert (failed.what, failed.value, failed.seen) == ("idle", None, "Failed: it has ended")
    assert (speed.met, requests.met) == (True, False)


def test_tasks_are_compared_with_the_loop_that_sends_and_the_one_that_receives():
    measured = {
        "tasks": {"enqueue_cpu_us": 50.0, "cpu_us": 90.0, "tasks_per_second": 1000.0},
        "sent": {"cpu_us": 100.0, "per_second": 1.0},
        "received": {"cpu_us": 150.0, "per_second": 500.0},
    }

    assert [each.value for each in figures({"tasks": measured})] == pytest.approx([0.5, 0.6, 2])


def test_undeleted_messages_are_counted_for_each_poll():
    full = {
        "queues": 50,
        "most_undeleted": 250,
        "most_polls": 50,
        "in_flight_after_stop": 1,
        "stop_seconds": 1.5,
        "rss_mb": 80.0,
        "per_second": 900.0,
    }

    undeleted, after, stop, memory = figures({"full 50": full})

    assert (undeleted.value, undeleted.met) == (5, True)
    assert (after.value, after.met) == (1, False)
    assert (stop.value, stop.met) == (1.5, None)
    assert memory.met


def test_the_table_names_the_goal_and_whether_it_is_met():
    found = [Figure("memory", 70.0, "MB", at_most(60)), Figure("stop", None, "s")]
    page = text(
        {
            "date": "2026-11-28",
            "commit": "abc",
            "machine": "two cores",
            "python": "3.11",
            "versions": {"boto3": "1"},
            "figures": json.loads(json.dumps([each.as_json() for each in found])),
        }
    )

    rows = [line.split() for line in page.splitlines()]
    assert ["memory", "70", "MB", "<=", "60", "no"] in rows
    assert ["stop", "failed"] in rows
    assert "two cores" in page
    assert "boto3 1" in page


def test_the_page_is_made_of_what_is_stored():
    stored = [json.loads(file.read_text()) for file in (RESULTS, CLIENT)]

    assert PAGE.read_text() == table(*stored)


@pytest.fixture(scope="module")
def measures():
    with run_stub() as stub:
        yield Measures(stub, window=0.5, rounds=1)


@pytest.mark.slow
def test_sending_is_measured_of_each_contender(measures):
    found = measures.send(20)

    assert set(found) == {SINGLE, ONE, TEN, LOOP, MANY}
    assert all(each["cpu_us"] > 0 for rows in found.values() for each in rows)
    assert all(figure.value > 0 for figure in figures({"send": found}))


@pytest.mark.slow
def test_receiving_is_measured_of_each_contender(measures):
    found = measures.consume()

    assert set(found["looks"]) == {"0 ms", "20 ms", "100 ms"}
    for looks in found["looks"].values():
        assert set(looks) == {LOOP, ONE, TEN}
    for name in (LOOP, ONE, TEN):
        handled = [look for looks in found["looks"].values() for look in looks[name]]
        assert any(look["per_second"] > 0 and look["cpu_us"] > 0 for look in handled)
    assert all(size > 10 for size in found["rss_mb"].values())


@pytest.mark.slow
def test_many_queues_are_measured_from_their_start_to_their_stop(measures):
    full, idle = measures.full(3), measures.idle(5)

    assert full["all_polled"]
    assert full["per_second"] > 0
    assert (full["undeleted_after_stop"], full["in_flight_after_stop"]) == (0, 0)
    assert full["stop_seconds"] > 0
    assert idle["requests"]["ReceiveMessage"] >= 5
    assert 0 < idle["all_poll_seconds"] < 30
    assert idle["imported_in"] > 0.01
    assert idle["stop_seconds"] < 30
