"""A stub of SQS that always has messages, so that what a client costs is seen, and nothing else.

    python -m benchmarks.stub --port 9324 --latency 0.02

serves SQS's JSON protocol on 127.0.0.1 until it is ended; ``--port 0`` takes a free port, and
the first line that is printed is the URL.  It needs the standard library alone, and is faster
with uvloop.

A queue is full: it hands out, again and again, what was sent to it last (``8 bytes!`` before
that), each time as a new message.  One whose name contains ``idle`` has none: its polls wait.
A ``.fifo`` queue has 100 message groups; one with a message in flight gives no more.  Nothing
that was handed out becomes visible again by time.

``GET`` of these addresses of the same port answers JSON:

``/-/stats``
    what was counted: requests by operation, bytes, messages sent, handed out, deleted (each
    once), deleted again, given back and renewed, those in flight and the most that were, polls
    under way, queues that were polled, and when the last of these was for the first time (on
    the clock that is ``now``, which is Python's ``time.monotonic()`` on Linux).
``/-/reset?latency=0.02``
    sets the counts to zero, and the latency in seconds that is added to each request; without
    ``latency`` it stays.
``/-/latency?seconds=0.1``
    sets the latency alone.
``/-/create?prefix=NAME-&count=1000&suffix=.fifo``
    makes queues NAME-0 and so on; ``suffix`` may be left out.
``/-/queue?name=NAME&left=all&groups=100&burst=1``
    what NAME has, and, where given, how many messages it hands out from now on (``all``, or a
    number: 0 is an idle queue), of how many groups, and how many messages of a group at once.
"""
