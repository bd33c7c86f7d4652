"""Lines: threads that send to a queue far away do not wait for one another's answers."""

import threading
import time
from collections import Counter

import pytest

from django_sqs_kombu.transport.sending import lines
from django_sqs_kombu.transport.sending.sends import SendBatcher


class FarAway:
    """Answers after a while; it knows what was under way at once."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.accepted = Counter()
        self.requests = 0
        self.under_way = Counter()
        self.most = 0
        self.together = Counter()
        self._lock = threading.Lock()

    def send_batch(self, queue, batch):
        groups = [entry.get("MessageGroupId") for entry in batch]
        with self._lock:
            self.requests += 1
            self.under_way.update(groups)
            self.most = max(self.most, self.under_way[None])
            for group in groups:
                self.together[group] = max(self.together[group], self.under_way[group])
        time.sleep(self.seconds)
        with self._lock:
            self.under_way.subtract(groups)
            self.accepted.update(entry["MessageBody"] for entry in batch)
        return [None] * len(batch)


def send_from_threads(batcher, queue, count, messages, params):
    failures = []

    def send(thread):
        try:
            for number in range(messages):
                batcher.send(queue, params(thread, number))
        except Exception as exc:
            failures.append(exc)

    threads = [threading.Thread(target=send, args=[n], daemon=True) for n in range(count)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert failures == []
    return time.monotonic() - started


def plain(thread, number):
    return {"MessageBody": f"{thread}-{number}"}


def test_threads_do_not_wait_for_one_anothers_answers():
    requests = FarAway(0.3)

    seconds = send_from_threads(SendBatcher(requests), "q", 8, 5, plain)

    # One request at a time would take 3 s.
    assert seconds < 2.5
    assert all(count == 1 for count in requests.accepted.values())
    assert len(requests.accepted) == 40
    # Those that waited for nobody's answer share requests all the same.
    assert requests.requests < 30


def test_a_full_request_waits_for_nothing(monkeypatch):
    monkeypatch.setattr(lines, "LINGER", 60)
    requests = FarAway(0.3)

    # The first alone, 40 in four full requests beside it, at once.
    send_from_threads(SendBatcher(requests), "q", 41, 1, plain)

    assert requests.most >= 30
    assert requests.requests <= 8


def test_a_queue_has_so_many_requests_at_once_and_no_more(monkeypatch):
    monkeypatch.setattr(lines, "MOST_TURNS", 2)
    requests = FarAway(0.1)

    send_from_threads(SendBatcher(requests), "q", 60, 2, plain)

    assert requests.most <= 20
    assert sum(requests.accepted.values()) == 120


@pytest.mark.parametrize("groups", [1, 3])
def test_of_a_group_of_a_fifo_queue_one_is_under_way_at_a_time(groups):
    requests = FarAway(0.02)

    def params(thread, number):
        return {**plain(thread, number), "MessageGroupId": str(thread % groups)}

    send_from_threads(SendBatcher(requests), "q.fifo", 6, 5, params)

    assert set(requests.together.values()) == {1}
    assert len(requests.accepted) == 30
    assert all(count == 1 for count in requests.accepted.values())


def test_groups_of_a_fifo_queue_do_not_wait_for_one_another():
    requests = FarAway(0.3)

    def params(thread, number):
        return {**plain(thread, number), "MessageGroupId": str(thread)}

    seconds = send_from_threads(SendBatcher(requests), "q.fifo", 4, 4, params)

    assert seconds < 2


def test_a_send_that_was_interrupted_as_it_began_is_not_overtaken(monkeypatch):
    requests = FarAway(0.5)
    batcher = SendBatcher(requests)
    new_turn, interrupted = lines.Line.new_turn, []

    def interrupt(line):
        turn = new_turn(line)
        if not interrupted:
            # As a signal's handler does, at the worst of moments.
            interrupted.append(threading.get_ident())
            batcher.send("q.fifo", {"MessageBody": "handler's", "MessageGroupId": "g"})
        return turn

    monkeypatch.setattr(lines.Line, "new_turn", interrupt)

    def params(thread, number):
        return {**plain(thread, number), "MessageGroupId": "g"}

    send_from_threads(batcher, "q.fifo", 3, 1, params)

    assert requests.together["g"] == 1
    assert len(requests.accepted) == 4


def test_what_a_struck_thread_may_have_sent_is_in_doubt_where_the_next_is_refused():
    line, send = lines.Line("q"), lines.Send({"MessageBody": "1"})
    line.waiting.append(send)

    for in_doubt in (False, True):
        turn = line.new_turn()
        with turn.held:
            assert line.choose(send, turn) == [send]
        # It was struck before it could say what became of it.
        line.end(turn)
        assert send.in_doubt is in_doubt
