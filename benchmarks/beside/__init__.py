"""The same small feature with this library and with others: what it takes, counted.

Below ``projects`` stands ``site``, a Django project with orders that are to be packed, and for
each library what is added to it: send after commit, try again with backoff, periodically, and a
page that shows what runs.  ``python -m benchmarks beside`` counts lines and packages, runs each
project against a local SQS and PostgreSQL, and counts processes, requests and statements.
"""
