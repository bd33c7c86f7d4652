"""The helpers for a project's tests: pytest's fixtures and unittest's mixin, run as a user does."""

import os
import subprocess
import sys
import textwrap
import unittest

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import TestCase, override_settings

import django_sqs
from django_sqs.testing import SQSTestMixin
from django_sqs_kombu import UnknownQueue
from django_sqs_kombu.testing import captured

from ..processes import ROOT
from ..site.shop.models import Order

pytestmark = pytest.mark.slow


@pytest.fixture
def run_project_tests(tmp_path):
    """Run tests of a project with pytest, as its developers do."""

    def run(code, count=0, failed=0, errors=0, settings="tests.site.settings"):
        (tmp_path / "test_project.py").write_text(textwrap.dedent(code))
        named = {"DJANGO_SETTINGS_MODULE": settings} if settings else {}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
            env={**named, "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == bool(failed or errors), done.stdout + done.stderr
        for number, what in ((count, "passed"), (failed, "failed"), (errors, "error")):
            assert not number or f"{number} {what}" in done.stdout, done.stdout
        return done.stdout

    return run


def test_fixtures(run_project_tests):
    run_project_tests(
        """
        import pytest
        import django_sqs
        from django_sqs_kombu import ReceiverConsumer
        from tests.site.shop import receivers

        def test_outbox(sqs_outbox):
            django_sqs.send("typed", body={"a": 1}, delay=5)
            assert [sent.body for sent in sqs_outbox.to("typed")] == [{"a": 1}]
            assert sqs_outbox[0].delay == 5

        def test_eager(sqs_eager):
            with pytest.raises(ValueError):
                django_sqs.send("broken", body="x")

        def test_factory(message_factory):
            message = message_factory("typed", body={"a": 1}, receive_count=2)
            receivers.receive_typed.direct(message)
            assert message["a"] == 1

        def test_server(sqs_server):
            assert sqs_server.startswith("http://127.0.0.1:")
            django_sqs.send("typed", body={"a": 1})
            queue = django_sqs.queues["typed"]
            ReceiverConsumer(django_sqs.receivers, [queue], message_limit=1).run()

        @pytest.mark.django_db
        def test_eager_in_a_transaction(sqs_eager):
            django_sqs.send("once", body="x")
            from tests.site.shop.models import Run
            assert Run.objects.get(queue="once").body == "x"
        """,
        5,
    )


def test_a_failing_test_is_told_what_waits_for_the_commit(run_project_tests):
    said = run_project_tests(
        """
        import pytest
        import django_sqs

        @pytest.mark.django_db
        def test_that_fails(sqs_outbox):
            with django_sqs.batch():
                django_sqs.send("typed", body={"a": 1}, on_commit=True)
                django_sqs.send("plain", body="x", on_commit=True)
            django_sqs.send_many("plain", ["x"], on_commit=True)
            assert sqs_outbox

        def test_that_fails_without_a_database(sqs_outbox):
            assert sqs_outbox
        """,
        failed=2,
    )

    assert said.count("Sends wait for a commit") == said.count("- django-sqs -") == 1


@pytest.mark.parametrize("module", [None, "nowhere"])
def test_a_failing_test_is_reported_where_there_are_no_databases(
    module, run_project_tests, tmp_path
):
    (tmp_path / "nowhere.py").write_text("DATABASES = {'other': {}}")
    code = """
        import django_sqs

        def test_that_fails():
            django_sqs.send("plain", body="x")
        """
    run_project_tests(code, failed=1, settings=module)


class Mixed(SQSTestMixin, TestCase):
    def test_sent(self):
        django_sqs.send("plain", body="x")
        self.assertMessageSent("plain")
        self.assertMessageSent("plain", "x", count=1)
        self.assertMessageSent("plain", "y", count=0)

    def test_not_sent(self):
        django_sqs.send("plain", body="x")
        with pytest.raises(AssertionError, match="0 times a message with body 'y'"):
            self.assertMessageSent("plain", "y")
        with pytest.raises(AssertionError, match=r"1 times a message was sent .*not 2"):
            self.assertMessageSent("plain", count=2)

    def test_a_row_that_was_deleted_keeps_no_assertion_from_saying_what_was_sent(self):
        row = Order.objects.create(title="x")
        django_sqs.send("rows", instance=row, on_commit=False)
        row.delete()
        with pytest.raises(AssertionError, match=r"Sent: \[\('rows', '.*shop"):
            self.assertMessageSent("plain")

    def test_what_waits_for_the_commit_is_named_by_the_assertion(self):
        django_sqs.send("plain", body="x", on_commit=True)
        with pytest.raises(
            AssertionError, match=r"Sent: \[\]\. Sends wait for a commit, .*OnCommit"
        ):
            self.assertMessageSent("plain")
        with self.captureOnCommitCallbacks(execute=True):
            django_sqs.send("plain", body="y", on_commit=True)
            django_sqs.send("plain", body="z", on_commit=True)
        with pytest.raises(AssertionError, match="Sends wait"):
            self.assertMessageSent("plain", "x")

    def test_what_was_sent_after_the_commit_waits_no_more(self):
        with self.captureOnCommitCallbacks(execute=True):
            django_sqs.send("plain", body="y", on_commit=True)
        with pytest.raises(AssertionError, match=r"Sent: \[\('plain', 'y'\)\]\.$"):
            self.assertMessageSent("plain", "x")

    @classmethod
    def setUpTestData(cls):
        django_sqs.send("plain", body="for all tests")

    def test_empty_at_the_start(self):
        assert self.sqs_outbox == []


#: The tests of a project that has nothing to do with SQS.
ELSEWHERE = """
import sys

def test_nothing_else_was_imported():
    ours = {name for name in sys.modules if name.startswith("django_sqs")}
    assert ours == {"django_sqs", "django_sqs.pytest_plugin"}
    for name in ("boto3", "botocore", "django", "django_sqs_kombu", "kombu", "pycurl"):
        assert name not in sys.modules
"""


def test_the_plugin_costs_nothing_where_nobody_asks_for_its_fixtures(tmp_path):
    (tmp_path / "test_elsewhere.py").write_text(ELSEWHERE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "django_sqs.pytest_plugin", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_a_forgotten_send_fails_its_test(run_project_tests):
    run_project_tests(
        """
        import pytest
        import django_sqs
        from django_sqs.testing import ForgottenSend, nothing_sent
        from django_sqs_kombu import ReceiverConsumer

        pytestmark = pytest.mark.usefixtures("sqs_nothing_sent")

        def test_it_is_told():
            with pytest.raises(ForgottenSend, match="typed.*sqs_outbox"), nothing_sent():
                django_sqs.send("typed", body={"a": 1})
            with pytest.raises(ForgottenSend), nothing_sent():
                django_sqs.send_many("typed", [{"a": 1}])

        def test_it_is_told_although_it_was_swallowed():
            with pytest.raises(ForgottenSend), nothing_sent():
                try:
                    django_sqs.send("typed", body={"a": 1})
                except Exception:
                    pass

        def test_outbox(sqs_outbox):
            django_sqs.send("typed", body={"a": 1})
            assert len(sqs_outbox) == 1

        def test_eager(sqs_eager):
            django_sqs.send("typed", body={"a": 1})

        def test_server(sqs_server):
            django_sqs.send("typed", body={"a": 1})
            queue = django_sqs.queues["typed"]
            ReceiverConsumer(django_sqs.receivers, [queue], message_limit=1).run()

        @pytest.mark.django_db
        def test_what_waits_for_a_commit(sqs_outbox, django_capture_on_commit_callbacks):
            django_sqs.send("typed", body={"a": 1}, on_commit=True)
            assert not sqs_outbox, "this transaction is never committed"
            with django_capture_on_commit_callbacks(execute=True):
                django_sqs.send("typed", body={"a": 2}, on_commit=True)
            assert [sent.body for sent in sqs_outbox] == [{"a": 2}]
        """,
        6,
    )


def test_what_is_set_up_for_several_tests_sends_nothing_either(run_project_tests, tmp_path):
    code = """
        import pytest
        import django_sqs
        from django.test import TestCase
        from django_sqs.testing import ForgottenSend

        class Case(TestCase):
            @classmethod
            def setUpTestData(cls):
                with pytest.raises(ForgottenSend):
                    django_sqs.send("plain", body="x")

            def test(self):
                pass

        @pytest.fixture(scope="module")
        def something():
            django_sqs.send("plain", body="x")

        def test_with_it(something):
            pass

        @pytest.fixture(scope="session")
        def first():
            with pytest.raises(ForgottenSend):
                django_sqs.send("plain", body="x")

        @pytest.fixture(scope="session", autouse=True)
        def first_of_all():
            with pytest.raises(ForgottenSend):
                django_sqs.send("plain", body="x")

        def test_with_the_session(first):
            pass
        """
    (tmp_path / "pytest.ini").write_text("[pytest]\nusefixtures = sqs_nothing_sent\n")

    said = run_project_tests(code, count=2, errors=1)

    assert "ERROR test_project.py::test_with_it" in said
    assert "would have been sent to SQS" in said
    assert "EndpointUnreachable" not in said
    assert "CredentialsMissing" not in said


def test_the_eager_setting_is_not_kept_when_it_is_over(site):
    with override_settings(SQS_EAGER=True), captured(django_sqs.receivers):
        pass

    assert django_sqs.receivers.outlet is None


def test_unittest_without_pytest():
    code = """
        import django, unittest
        django.setup()
        import django_sqs
        from django_sqs.testing import SQSTestMixin

        class Case(SQSTestMixin, unittest.TestCase):
            def test(self):
                django_sqs.send("plain", body="x")
                self.assertMessageSent("plain", "x", count=1)

        unittest.main(argv=["x"])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={"DJANGO_SETTINGS_MODULE": "tests.site.settings", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert "Ran 1 test" in done.stderr


@pytest.mark.parametrize("case", [TestCase, unittest.TestCase])
def test_a_mixin_that_would_keep_nothing_from_sqs_is_refused(case):
    with pytest.raises(
        TypeError, match=r"Parcels: put SQSTestMixin before .*Parcels\(SQSTestMixin"
    ):
        type("Parcels", (case, SQSTestMixin), {})

    base = type("Base", (SQSTestMixin,), {})
    assert issubclass(type("Right", (base, case), {}), case)


def test_a_misspelt_queue_fails_the_assertion_that_nothing_was_sent_to_it(sqs_outbox):
    case = SQSTestMixin()
    case.sqs_outbox = sqs_outbox

    for ask in (sqs_outbox.to, lambda name: case.assertMessageSent(name, count=0)):
        with pytest.raises(UnknownQueue, match=r"Did you mean 'plain'\? .* in INSTALLED_APPS"):
            ask("plian")


def test_eager_by_a_setting(site, server, prefix):
    site.SQS_EAGER = True
    site.SQS_ENDPOINT_URL = "http://127.0.0.1:9"

    with pytest.raises(ValueError, match="x"):
        django_sqs.send("broken", body="x")
    site.SQS_EAGER = False
    assert django_sqs.receivers.outlet is None


def test_a_wrong_eager_setting_is_found(site):
    site.SQS_EAGER = "yes"

    with pytest.raises(ImproperlyConfigured, match="SQS_EAGER must be True or False"):
        django_sqs.receivers.new_connection()
