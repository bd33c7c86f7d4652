"""The texts of errors, log records and checks, read off the code.

What is put into a text when it is written is ``…`` here.
"""

import ast
import logging
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django_sqs_kombu.working.table import TABLE

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("django_sqs_kombu", "django_sqs")
HOLE = "…"
#: What stands before how a message has ended.
OUTCOME = "Message … of queue … (receive …)"
#: Levels from the one on at which somebody should look.
LEVELS = ("warning", "error", "exception", "critical")
#: What others define and this library raises for its users.
FOREIGN = {
    "CommandError",
    "ImportError",
    "ImproperlyConfigured",
    "ModuleNotFoundError",
    "ArgumentTypeError",
    "InvalidTask",
    "TransactionManagementError",
}
CHECKS = {"Error", "Warning", "CheckWarning"}


@dataclass(frozen=True, slots=True)
class Text:
    """Something that a user may see.

    :param kind: ``"log"``, ``"error"``, ``"check"`` or ``"warning"``.
    :param name: the level of a log record, the class of an error, the id of a check.
    :param file: where in the repository it is written.
    :param function: the name of the function there, with its class.
    """

    kind: str
    name: str
    text: str
    file: str
    function: str
    hint: str = ""


@cache
def modules():
    """Each file of the packages, with what it parses to."""
    files = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
    return [(file.relative_to(ROOT).as_posix(), ast.parse(file.read_text())) for file in files]


def check_ids():
    """The id of each system check."""
    files = (ROOT / "django_sqs").rglob("*.py")
    return {number for file in files for number in CHECK_ID.findall(file.read_text())}


@cache
def error_classes():
    """The exceptions and warnings that the packages define, by name: their nodes and files."""
    nodes = {
        node.name: (node, file)
        for file, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found = {}

    def is_error(name, below=()):
        # A class may have the name of its base in the other package.
        if name in nodes and name not in below:
            return any(is_error(named(base), (*below, name)) for base in nodes[name][0].bases)
        return bool(re.search(r"(Exception|Error|Warning)$", name)) and name != "ParseError"

    for name, (node, file) in nodes.items():
        if is_error(name):
            found[name] = node, file
    return found


def named(node):
    """The last part of a name such as ``checks.Error``; of all else nothing."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


#: The id of a system check, as the code writes it.
CHECK_ID = re.compile(r'"(django_sqs\w*\.[EW]\d{3})"')

#: Exceptions that are raised and caught inside: nobody sees them.
INTERNAL = {
    "HandshakeFailed",
    "LeftBehind",
    "NotAnAnswer",
    "NotTriedAgain",
    "RequestAborted",
    "SQSError",
    "Told",
    "ToldToStop",
    "UndefinedQueue",
    "_NotConnected",
    "_NotSent",
    "_Stopped",
}


@cache
def texts():
    """Every text of the packages, in the order of the files."""
    classes = error_classes()
    found = []
    for file, tree in modules():
        _Reader(file, tree, classes, found).visit(tree)
    return [*found, *outcomes()]


def outcomes():
    """What the log says of messages that failed: the table of outcomes, which is made by code."""
    file = "django_sqs_kombu/working/table.py"
    for row in TABLE:
        if row.level >= logging.WARNING:
            level = logging.getLevelName(row.level).lower()
            after = f"; body {HOLE}" * row.traceback + f": {HOLE}" * row.reason
            yield Text("log", level, f"{OUTCOME} {row.says}{after}", file, "TABLE")


class _Reader(ast.NodeVisitor):
    """Collects the texts of one file."""

    def __init__(self, file, tree, classes, found):
        self._file, self._classes, self._found = file, classes, found
        self._where = []
        # What names stand for, as far as the file has been read.
        self._named = {}
        for node in tree.body:
            self._note(node)

    def _enter(self, node):
        self._where.append(node.name)
        self.generic_visit(node)
        self._where.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _enter  # noqa: N815 - ast's

    def _note(self, node):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._named[named(target)] = node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self._named[named(node.target)] = node.value

    def visit_Assign(self, node):
        """Note what a name stands for; ``kind = AccessDenied`` is followed by its text."""
        self._note(node)
        kind = named(self._named.get("kind"))
        if named(node.targets[0]) == "say" and kind in self._classes:
            self._keep("error", kind, [node.value])
        self.generic_visit(node)

    def visit_AnnAssign(self, node):
        """Note what a name stands for."""
        self._note(node)
        self.generic_visit(node)

    def visit_Return(self, node):
        """``return AccessDenied, "its text"``."""
        if isinstance(node.value, ast.Tuple) and len(node.value.elts) == 2:
            kind, text = node.value.elts
            if named(kind) in self._classes:
                self._keep("error", named(kind), [text])
        self.generic_visit(node)

    def visit_Call(self, node):
        """Keep what the call writes, if it writes anything."""
        name = named(node.func)
        if name in LEVELS and "log" in ast.unparse(node.func).lower():
            self._keep("log", name, node.args[:1])
        elif name == "log" and named(getattr(node.func, "value", None)) == "logger":
            self._keep("log", "warning", node.args[1:2])
        elif name == "_log_once":
            self._keep("log", "error", node.args[1:2])
        elif name == "Row" and len(node.args) == 4:
            self._keep_outcome(node)
        elif name == "warn" and ast.unparse(node.func) == "warnings.warn":
            self._keep("warning", named(node.args[1]) if len(node.args) > 1 else "", node.args[:1])
        elif name in CHECKS and any(keyword.arg == "id" for keyword in node.keywords):
            self._keep_check(node)
        elif name == "Problem" and len(node.args) > 1:
            # Of the settings: an error of the checks, or a warning, and raised by commands.
            number = "django_sqs.W010" if node.keywords else "django_sqs.E001"
            self._keep("check", number, node.args[1:2], *map(self._read, node.args[2:3]))
        elif name == "__init__" and self._where and self._where[0] in self._classes:
            self._keep("error", self._where[0], node.args[:1])
        elif name in FOREIGN or name in self._classes:
            self._keep("error", name, node.args[:1])
        self.generic_visit(node)

    def _keep(self, kind, name, args, hint=""):
        text = " ".join(self._read(args[0]).split()) if args else ""
        text = re.sub(f"({HOLE} ?)+{HOLE}", HOLE, text)
        # A text of holes says nothing.
        words = len(re.findall(r"\w\w+", text))
        if words > (kind != "log") and text != f"{OUTCOME} {HOLE}":
            where = ".".join(self._where)
            self._found.append(Text(kind, name, text, self._file, where, hint))

    def _keep_outcome(self, node):
        """A row of the table of outcomes, as the log has it."""
        level = named(node.args[2]).lower()
        if level in LEVELS:
            before = ast.Constant(f"{OUTCOME} ")
            self._keep("log", level, [ast.BinOp(before, ast.Add(), node.args[3])])

    def _keep_check(self, node):
        said = {keyword.arg: keyword.value for keyword in node.keywords}
        number = self._read(said["id"])
        self._keep("check", number, node.args[:1], self._read(said.get("hint")))

    def _read(self, node):
        """The text that a node is, as far as that is known before the program runs."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return re.sub(r"%(\(\w+\))?[-+ 0]*[\d.]*[srdgfx]", HOLE, node.value).replace("%%", "%")
        if isinstance(node, ast.JoinedStr):
            return "".join(
                str(part.value) if isinstance(part, ast.Constant) else self._read_hole(part)
                for part in node.values
            )
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._read(node.left) + self._read(node.right)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            return self._read(node.left)
        if isinstance(node, ast.Call) and named(node.func) in ("_", "gettext", "pgettext", "line"):
            return self._read(node.args[-1]) if node.args else HOLE
        if isinstance(node, ast.Call) and named(node.func) == "format":
            return re.sub(r"\{\w*\}", HOLE, self._read(getattr(node.func, "value", None)))
        if isinstance(node, ast.Name) and node.id in self._named:
            value = self._named[node.id]
            # A name of a name, such as text = text.strip(), is read no further.
            if isinstance(value, ast.Constant | ast.JoinedStr) or _is_sum(value):
                del self._named[node.id]
                text = self._read(value)
                self._named[node.id] = value
                return text
        return HOLE

    def _read_hole(self, part):
        value = self._named.get(named(part.value))
        return self._read(value) if isinstance(value, ast.Constant) else HOLE


def _is_sum(node):
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)
