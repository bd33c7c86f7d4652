"""Projects: what each library adds to the site, and what can be counted without running it."""

import io
import shutil
import tokenize
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent / "projects"
SITE = HERE / "site"
#: Tokens of lines on which there is no code.
_NO_CODE = (
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
)


@dataclass(frozen=True, slots=True)
class Project:
    """What one library adds to the site.

    :param name: its folder.
    :param title: what the documentation calls it.
    :param pages: where in the site the pages are that show what runs.
    """

    name: str
    title: str
    pages: tuple[str, ...]

    @property
    def folder(self):
        return HERE / self.name

    def files(self):
        """The Python that is added, by path in the site."""
        return {
            str(file.relative_to(self.folder)): file.read_text()
            for file in sorted(self.folder.rglob("*.py"))
        }

    def lines(self):
        """How many lines of code are added: without blank lines and comments."""
        return sum(lines_of_code(text) for text in self.files().values())

    def requirements(self):
        """What is installed for it, beside Django and the database's driver."""
        return self._listed("requirements.txt")

    def commands(self):
        """What is to be run beside the site, by name."""
        return dict(line.split(": ", 1) for line in self._listed("Procfile"))

    def write(self, folder):
        """The whole project, as it is run."""
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(SITE, folder, ignore=ignore, dirs_exist_ok=True)
        shutil.copytree(self.folder, folder, ignore=ignore, dirs_exist_ok=True)

    def _listed(self, name):
        return [line for line in (self.folder / name).read_text().splitlines() if line]


def lines_of_code(text):
    """The lines of Python on which there is code, a docstring included."""
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines)


PROJECTS = (
    Project(
        "celery",
        "Celery, beat, django-celery-results, Flower",
        ("/admin/django_celery_results/taskresult/",),
    ),
    Project("dj_queue", "dj-queue", ("/admin/dj_queue/dashboard/",)),
    Project("django_sqs", "django-sqs, receivers", ("/admin/django_sqs_monitor/queuereport/",)),
    Project(
        "django_sqs_tasks",
        "django-sqs, Django's Tasks",
        (
            "/admin/django_sqs_monitor/queuereport/",
            "/admin/django_sqs_results/taskrecord/",
        ),
    ),
)
