"""Every kind of database that Django projects run on, each a server of the tests' own.

``DB=mariadb pytest tests/django_sqs/test_tasks.py`` runs tests on a kind of :data:`kinds.KINDS`;
its server is started with the settings and ended with the test run.  ``ROUTER=apps`` puts each
app into a database of its own, ``REPLICA=1`` reads from a replica that never catches up.
``make databases`` runs what uses the database on all of them.
"""
