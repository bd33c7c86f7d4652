"""The catalogues of translations, read without gettext's programs."""

import ast
from pathlib import Path

import django_sqs

PACKAGE = Path(django_sqs.__file__).parent
FOLDERS = sorted((PACKAGE / "locale").glob("*/LC_MESSAGES"))


def written(file):
    """The texts of a .po file with their translations, each as one text or several; and flags."""
    found, flags = {}, set()
    entry, last = {}, None
    for line in [*file.read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("#,"):
            flags.update(line[2:].replace(" ", "").split(","))
        elif line.startswith("#"):
            assert not line.startswith("#~"), f"{line}: nothing has this text any more"
        elif line.startswith('"'):
            entry[last] += ast.literal_eval(line)
        elif line:
            last, _, text = line.partition(" ")
            entry[last] = ast.literal_eval(text)
        elif entry:
            if "msgid_plural" in entry:
                key = (entry["msgid"], entry["msgid_plural"])
                found[key] = tuple(v for k, v in entry.items() if k.startswith("msgstr"))
            else:
                found[entry["msgid"]] = entry["msgstr"]
            entry = {}
    return found, flags
