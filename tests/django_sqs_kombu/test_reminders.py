"""Reminders: what lasts is told at once, and then seldom."""

from django_sqs_kombu.reminders import REMINDER, Reminders


def test_what_goes_on_is_told_at_once_and_then_once_a_minute():
    reminders = Reminders()

    told = [second for second in range(200) if reminders.is_due("queue", float(second))]

    assert told == [0, 60, 120, 180]


def test_within_a_minute_no_more_are_told_than_may_be():
    reminders = Reminders()

    assert [reminders.is_due("queue", 1.0, most=3) for _ in range(5)] == [True] * 3 + [False] * 2


def test_what_is_no_news_waits_for_the_next_minute():
    reminders = Reminders()

    assert reminders.is_due("queue", 0.0, most=3, news=False)
    assert not reminders.is_due("queue", 1.0, most=3, news=False)
    assert reminders.is_due("queue", 2.0, most=3)
    assert reminders.is_due("queue", REMINDER, most=3, news=False)


def test_one_says_nothing_of_another():
    reminders = Reminders()

    assert reminders.is_due("queue", 0.0)
    assert reminders.is_due("another", 0.0)
