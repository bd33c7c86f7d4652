"""A simulation: the transport and its consumers, in virtual time, before a pretended SQS.

Hours of leases, polls, outages, stops and kills pass in a moment, in an order that a seed decides:
of all threads, which are real ones, one runs at a time, and another one where it waits.  It finds
what a test of a few seconds in real time meets once in a thousand runs::

    python -m tests.simulation 0 1000

tries seeds 0 to 999, each in every weather; what it finds can be had again by its seed.  What must
hold is said in ``ledger.py``.
"""
