"""The pages of errors, log records and checks: their texts from the code, what to do from a file.

The files are docs/remedies/errors.txt, by the names of classes, and log.txt, by places in the
code, so that another wording of a text needs no change there.
"""

import ast
from collections import defaultdict
from pathlib import Path

from .texts import HOLE, INTERNAL, LEVELS, check_ids, error_classes, texts

FOLDER = Path(__file__).resolve().parents[1] / "remedies"


class MissingRemedy(Exception):
    """Somebody wrote an error or a log record, and nobody what users are to do about it."""

    def __init__(self, file, what):
        super().__init__(
            f"docs/remedies/{file} says nothing of {what}. Write there what causes it and what to "
            "do; its first lines say how."
        )


class StaleRemedy(Exception):
    """What a remedy was for is not in the code any more, or has moved."""

    def __init__(self, file, keys):
        super().__init__(
            f"docs/remedies/{file} has {', '.join(sorted(keys))}, of which the code has nothing "
            "now. Remove it there, or name where it has moved to."
        )


def check_all_used(file, known, used):
    """No remedy is for what is gone.

    :raises StaleRemedy: one is.
    """
    if known.keys() - used:
        raise StaleRemedy(file, known.keys() - used)


def remedies(name):
    """What to do, by key, in the order of the file; and the section of each key."""
    found, sections, section, keys = {}, {}, "", []
    for line in (FOLDER / name).read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("= "):
            section = line[2:]
        elif not line.startswith(" "):
            keys = line.split()
            for key in keys:
                found[key], sections[key] = [], section
        else:
            for key in keys:
                found[key].append(line.strip())
    return {key: " ".join(lines) for key, lines in found.items()}, sections


def key_of(text, keys):
    """The most exact of *keys* that a log record's place has: function, file or folder."""
    place = f"{text.file}:{text.function}"
    fitting = [
        key for key in keys if place == key or place.startswith((f"{key}:", f"{key}.", f"{key}/"))
    ]
    return max(fitting, key=len, default=None)


def errors_page():
    """Each class of errors, with the reason, what to do, and its texts."""
    known, _ = remedies("errors.txt")
    classes, said = error_classes(), defaultdict(list)
    for text in texts():
        if text.kind in ("error", "warning"):
            said[text.name].append(text.text)
    names = sorted({*classes, *said} - INTERNAL)
    missing = [name for name in names if name not in known]
    if missing:
        raise MissingRemedy("errors.txt", ", ".join(missing))
    check_all_used("errors.txt", known, {*names})
    parts = []
    for name in names:
        parts += [name, "-" * len(name), ""]
        if name in classes:
            node, file = classes[name]
            parts += [first_paragraph(node), *reference_to(name, file), ""]
        parts += [known[name], ""]
        parts += [f"- {literal(text)}" for text in sorted(set(said[name]))] + [""]
    return "\n".join(parts)


def log_page():
    """Each warning and error in the log, by subject, with what to do."""
    known, sections = remedies("log.txt")
    said, used = defaultdict(list), set()
    for text in texts():
        if text.kind == "log":
            key = key_of(text, known)
            if key is None:
                place = f"{text.file}:{text.function}"
                raise MissingRemedy("log.txt", f"{place}: {text.text}")
            said[known[key]].append(text)
            used.add(key)
    check_all_used("log.txt", known, used)
    parts, last = [], None
    for key, remedy in known.items():
        if sections[key] != last:
            last = sections[key]
            parts += [last, "-" * len(last), ""]
        # Of several places with one remedy the first has it.
        lines = [f"| {literal(t.text)} ({LEVEL_NAMES[t.name]})" for t in said.pop(remedy, [])]
        if lines:
            parts += [*dict.fromkeys(lines), "", f"    {remedy}", ""]
    return "\n".join(parts)


def checks_page():
    """Each system check by its id, with its texts and hints."""
    known, _ = remedies("checks.txt")
    rows = defaultdict(dict)
    for text in texts():
        if text.kind == "check":
            rows[text.name][text.text] = text.hint
    check_all_used("checks.txt", known, check_ids())
    parts = []
    for number in sorted(check_ids()):
        if number not in rows and number not in known:
            raise MissingRemedy("checks.txt", number)
        parts += [number, "-" * len(number), ""]
        for said, hint in rows[number].items():
            parts += [f"| {literal(said)}", ""]
            parts += [f"    {literal(hint)}", ""] if hint.strip(HOLE) else []
        parts += [known[number], ""] if number in known else []
    return "\n".join(parts)


LEVEL_NAMES = {name: "error" if name == "exception" else name for name in LEVELS}


def reference_to(name, file):
    """Where the attributes of a public class are told."""
    public = file.startswith("django_sqs_kombu/exceptions/")
    return [f"Its attributes: :exc:`django_sqs_kombu.exceptions.{name}`."] if public else []


def first_paragraph(node):
    """What a class says of itself, in its first paragraph."""
    return (ast.get_docstring(node) or "").split("\n\n")[0]


def literal(text):
    """A text as it is, in a line of reStructuredText."""
    return f"``{text.replace('``', '')}``"
