"""Fingerprints: what failures have in common that are alike."""

from django_sqs.failures.fingerprints import class_of, fingerprint
from django_sqs_kombu.exceptions import ReceiverFailed


def test_what_was_raised_in_another_process_counts_by_its_own_class():
    assert class_of(ReceiverFailed("no", ValueError)) == class_of(ValueError("no")) == "ValueError"
    assert fingerprint("q", ReceiverFailed("no", ValueError)) != fingerprint(
        "q", ReceiverFailed("no", KeyError)
    )


def test_what_nobody_knows_here_counts_as_what_stands_for_it():
    assert class_of(ReceiverFailed("no")).endswith("ReceiverFailed")
