"""Management commands run in this process."""

import io
import json

from django.core.management import call_command

import django_sqs


def run(command, *arguments, **options):
    """What a command writes."""
    out = io.StringIO()
    call_command(command, *arguments, stdout=out, **options)
    return out.getvalue()


def as_json(command, *arguments):
    """What a command finds."""
    return json.loads(run(command, *arguments, "--format=json"))


def full_name(queue, suffix=None):
    """A queue's name in SQS."""
    return django_sqs.queues[queue].full_name(suffix)
