"""A simulation: the transport and its consumers, in virtual time, before a pretended SQS.

Hours of leases, polls, outages and stops pass in a moment, in one thread, in an order that a seed
decides.  It finds what a test of a few seconds in real time meets once in a thousand runs::

    python -m tests.simulation 0 1000

tries seeds 0 to 999, each in every weather; what it finds can be had again by its seed.
"""
