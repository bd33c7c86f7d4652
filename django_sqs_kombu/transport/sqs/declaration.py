"""Keys of a queue's declaration."""

from __future__ import annotations

#: Wire formats: Kombu's envelope, or the message class's text alone.
WIRE_FORMATS = ("kombu", "raw")

# Keys among a kombu.Queue's ``queue_arguments``; those without "x-" are SQS attributes.
WIRE_FORMAT_ARGUMENT = "x-wire-format"
DEAD_LETTER_ARGUMENT = "x-dead-letter-queue"
MAX_RECEIVES_ARGUMENT = "x-max-receives"
TAGS_ARGUMENT = "x-tags"
COUNTS_ARGUMENT = "x-counts-receives"
