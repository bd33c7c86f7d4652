"""The code blocks of a document, for those that run them; the standard library is enough."""

import re
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^( *)\.\. code-block:: (\S+)\n((?:\1 +:.*\n)*)\n((?:\1    .*\n|\n)+)", re.M)


def blocks_of(document):
    """The code blocks of a file, in their order."""
    found = []
    text = document.read_text() + "\n"
    for match in BLOCK.finditer(text):
        indent, language, options, code = match.groups()
        code = "\n".join(line.removeprefix(f"{indent}    ") for line in code.splitlines())
        found.append(
            SimpleNamespace(
                document=document,
                start=match.start(),
                line=text[: match.start(4)].count("\n") + 1,
                language=language,
                caption=(re.search(r":caption: (.*)", options) or [None, ""])[1],
                code=code.strip("\n") + "\n",
            )
        )
    return found
