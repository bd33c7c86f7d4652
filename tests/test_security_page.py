"""Each sentence of docs/security.rst: the test that shows it, or that it is advice."""

import re

import pytest

from .project import ROOT

PAGE = ROOT / "docs" / "security.rst"
BODY = "django_sqs_kombu/transport/body"
STRANGERS = "django_sqs/test_strangers.py"
VIEWS = "django_sqs/test_views.py"
PAGES = "pages/test_pages.py"
CRASHES = "django_sqs/worker/test_crashes.py"
RUNS = "django_sqs/worker/test_runreceiver.py"
CONTROL = "django_sqs/worker/test_control.py"
#: What a person is to do or to know: nothing that a program does.
ADVICE = None

#: Beginnings of sentences, and what shows them: (file below tests, function).
SHOWN = {
    "Whoever may write to a queue decides": ADVICE,
    "This page says what such a stranger": ADVICE,
    "nothing in a message is executed": (
        f"{BODY}/test_reading.py",
        "test_pickle_is_refused_with_an_error_on_one_line",
    ),
    "A content encoding is": (
        f"{BODY}/test_reading.py",
        "test_any_other_is_an_error_and_not_looked_up",
    ),
    "a task's path is looked up": (
        "django_sqs/tasks/test_results.py",
        "test_a_message_names_no_task_of_another_backend_or_queue",
    ),
    "a message names the backend and the queue": (
        "django_sqs/tasks/test_results.py",
        "test_a_message_names_no_task_of_another_backend_or_queue",
    ),
    "A stored result must say the same": (
        "django_sqs/tasks/test_results.py",
        "test_a_forged_id_changes_no_result_and_the_real_message_still_runs",
    ),
    "``ModelInstanceMessage`` gives the receiver any row": (
        STRANGERS,
        "test_a_row_of_another_model_is_refused_before_it_is_read",
    ),
    "only the bucket of ``SQS_LARGE_PAYLOAD_BUCKET``": (
        f"{BODY}/test_payloads.py",
        "test_only_objects_of_our_form_are_read_or_deleted",
    ),
    "``BigMessage`` reads and deletes": (
        "django_sqs_kombu/messages/test_s3.py",
        "test_an_object_elsewhere_is_neither_read_nor_deleted_nor_sent",
    ),
    "any body is settled by the table": (
        f"{BODY}/test_foreign_bodies.py",
        "test_no_body_stops_a_consumer",
    ),
    "SQS's limit is 1 MiB": (f"{BODY}/test_compression.py", "test_a_bomb_is_not_unpacked"),
    "where there are several processes, the dead one": (
        RUNS,
        "test_a_message_that_kills_its_process_is_set_aside_alone",
    ),
    "Messages that ran beside it run alone": (
        CRASHES,
        "test_messages_are_received_one_by_one_until_the_suspects_have_ended",
    ),
    "A lone process remembers": (RUNS, "test_a_lone_worker_remembers_what_killed_it"),
    "text from a message (body": (
        "django_sqs_kombu/test_printable.py",
        "test_what_could_forge_a_line_is_escaped",
    ),
    "with ``once=True`` a message whose id": (
        "faults/test_exactly_once.py",
        "test_a_message_has_its_effect_once",
    ),
    "whoever may write to a queue can fill it": ADVICE,
    "Credentials are never written": (STRANGERS, "test_credentials_are_shown_nowhere"),
    "Checks never show a wrong value": (
        "django_sqs/test_checks.py",
        "test_a_secret_in_a_wrong_place_is_told_and_not_shown",
    ),
    "Django's debug pages show": (STRANGERS, "test_debug_pages_show_no_secret_of_ours"),
    'With ``SQS_WAKE = "cache"``': ADVICE,
    "What a stranger publishes": (
        "django_sqs/wake/test_wake.py",
        "test_what_strangers_publish_makes_nobody_deaf",
    ),
    "The status view is for staff": (VIEWS, "test_status_is_closed_to_strangers"),
    "``SQS_VIEWS_PUBLIC = True`` opens it": (VIEWS, "test_the_public_is_not_told_what_sqs_says"),
    "``wake`` is the only view": ("django_sqs/wake/test_wake.py", "test_the_view_calls"),
    "It takes POST only": ("django_sqs/wake/test_wake.py", "test_the_view_calls"),
    "The pages of ``django_sqs.monitor``": (PAGES, "test_who_may_do_what"),
    "Bodies of messages are shown as text": (
        PAGES,
        "test_a_look_leaves_messages_and_shows_strangers_text_as_text",
    ),
    "A payload in S3 is not downloaded": (
        "django_sqs/management/test_operations.py",
        "test_a_look_downloads_no_payload",
    ),
    "``runreceiver --http`` has no access control": (
        "django_sqs/wake/test_wake.py",
        "test_the_workers_own_port",
    ),
    "It only tells counts": (CONTROL, "test_alive_ready_and_counting"),
    "It keeps at most 32 connections": (CONTROL, "test_slow_clients_keep_nobody_from_an_answer"),
    "Whoever may send to a queue may write any trail": (
        "django_sqs_kombu/transport/sending/test_trail.py",
        "test_an_odd_trail_says_nothing",
    ),
    "It may also claim tries": (
        "django_sqs_kombu/transport/sending/test_trail.py",
        "test_an_odd_trail_says_nothing",
    ),
    "A dead letter's ``django_sqs.failure``": (
        "faults/test_policies.py",
        "test_each_dead_letter_says_why",
    ),
    "Logs show the first 1,000 characters": (
        "django_sqs_kombu/working/test_outcomes.py",
        "test_bodies_in_logs_are_masked",
    ),
    "The mask also applies to the outbox's pages": (
        "django_sqs/outbox/test_watching.py",
        "test_the_admin_shows_sends_again_sets_aside_deletes_and_frees_keys",
    ),
    # A test would only show that somebody has forgotten to correct it.
    "It does not apply to what shows messages": ADVICE,
    "The app ``django_sqs.failures`` keeps bodies": (
        "django_sqs/failures/test_noting.py",
        "test_bodies_can_be_masked_and_kept_out",
    ),
    "print the IAM policy": (STRANGERS, "test_the_receivers_policy_is_enough"),
    "A receiver's has ``sqs:SendMessage``": (
        STRANGERS,
        "test_a_receiver_may_send_again_what_must_not_count_for_a_redrive_policy",
    ),
    "It also has it for queues with ``S3Event``": (
        STRANGERS,
        "test_a_receiver_may_send_one_by_one_what_stands_for_several",
    ),
    "It includes ``s3:PutObject``": (
        STRANGERS,
        "test_policies_follow_the_settings_and_options",
    ),
    "``--sends`` adds ``sqs:SendMessage``": (
        STRANGERS,
        "test_policies_allow_the_keys_of_encrypted_queues",
    ),
    "Without it such a message": ADVICE,
    "Without it messages to be retried": ADVICE,
    "Requests to SQS use TLS": (
        "django_sqs_kombu/transport/sqs/wire/test_network.py",
        "test_a_certificate_of_an_authority_that_is_not_believed_is_refused",
    ),
    "``manage.py check`` warns of a plain": (
        STRANGERS,
        "test_plain_http_off_this_machine_warns",
    ),
    "``register(..., kms_key=...)``": (
        "django_sqs_kombu/transport/sqs/test_queues.py",
        "test_tags_and_key",
    ),
}


def cells(lines):
    """The right-hand cells of the table, each as one text."""
    _, start, end = (n for n, line in enumerate(lines) if line.startswith("===="))
    column = lines[start].index(" =") + 1
    found = []
    for line in lines[start + 1 : end]:
        left, right = line[:column].rstrip(), line[column:].strip()
        # A row begins where the row before has ended its sentence and the left cell has words.
        if left and right and (not found or not continues(left)):
            found.append("")
        found[-1] += f" {right}"
    return found


def continues(left):
    """Whether a left cell is the second line of one that began above."""
    return left in ("or deleted", "its process")


def sentences():
    """All sentences of the page that are no heading, no code and no left-hand cell."""
    lines = PAGE.read_text().splitlines()
    rows = [n for n, line in enumerate(lines) if line.startswith("====") and " =" in line]
    table = cells(lines[rows[0] : rows[-1] + 1])
    text = "\n".join(lines[: rows[0]] + lines[rows[-1] + 1 :])
    text = re.sub(r"\.\. code-block.*?\n\n(?=\S)", "\n\n", text, flags=re.DOTALL)
    text = re.sub(r"[^\n]+\n(=+|-+)\n", "\n\n", text)
    blocks = [*table, *re.split(r"\n\n+(?:- )?|\n- ", text)]
    for block in blocks:
        for sentence in re.split(r"(?<=\.)\s+", " ".join(block.split())):
            if sentence:
                yield sentence


@pytest.mark.parametrize("sentence", list(sentences()))
def test_every_sentence_is_shown_or_advice(sentence):
    known = [start for start in SHOWN if sentence.startswith(start)]

    assert known or sentence.startswith(("for queues whose", "for standard queues whose"))


def test_no_sentence_that_is_gone_is_kept():
    page = list(sentences())

    assert not [start for start in SHOWN if not any(s.startswith(start) for s in page)]


@pytest.mark.parametrize("shown", sorted({each for each in SHOWN.values() if each}))
def test_what_shows_it_is_there(shown):
    file, function = shown

    assert f"def {function}(" in (ROOT / "tests" / file).read_text()
