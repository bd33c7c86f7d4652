"""How the documentation is built; what can be read off the code is generated from it."""

import io
import json
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

from django.conf import settings

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
GENERATED = HERE / "_generated"
sys.path[:0] = [str(HERE), str(ROOT)]

project = "django-sqs"
author = "The django-sqs developers"
copyright = "The django-sqs developers"  # noqa: A001 - Sphinx's name
release = version = installed_version("django-sqs")

extensions = ["sphinx.ext.autodoc", "extensions.diagram"]
html_theme = "furo"
html_title = "django-sqs"
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_js_files = [("docs.js", {"defer": "defer"})]
exclude_patterns = ["_build", "_generated"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_default_options = {"show-inheritance": True}
# There are two RegisteredQueue, the Django one a subclass of the other; either is right.
suppress_warnings = ["ref.python"]

#: The commands by their apps.
COMMANDS = {
    "django_sqs": sorted(
        file.stem for file in (ROOT / "django_sqs/management/commands").glob("[!_]*.py")
    ),
    "django_sqs.failures": ["sqs_bury", "sqs_prune_failures"],
    "django_sqs.inbox": ["sqs_prune_inbox"],
    "django_sqs.tickets": ["sqs_prune_tickets"],
    "django_sqs.outbox": ["sqs_relay"],
    "django_sqs.results": ["sqs_prune_results"],
    "django_sqs.schedules": ["sqs_schedules"],
}


def settings_list():
    """The settings, with their defaults and meanings; each has an address of its own."""
    from django_sqs.conf import SETTINGS

    parts = []
    for name, setting in SETTINGS.items():
        # Two quotation marks that stand for an empty text are no curly ones.
        meaning = setting.meaning.replace("''", "``''``")
        parts.append(f".. confval:: {name}\n   :default: ``{setting.default!r}``\n\n   {meaning}\n")
    return "\n".join(parts)


def commands():
    """What each command says of itself."""
    from django.core.management import load_command_class

    parts = []
    for app, names in COMMANDS.items():
        for name in names:
            out = io.StringIO()
            load_command_class(app, name).create_parser("manage.py", name).print_help(out)
            # What follows is Django's own.
            own = out.getvalue().split("\n  --version")[0]
            text = "".join(f"    {line}\n" if line else "\n" for line in own.splitlines())
            of = "" if app == "django_sqs" else f"\nOf the app ``{app}``.\n"
            parts.append(f"{name}\n{'-' * len(name)}\n{of}\n.. code-block:: text\n\n{text}")
    return "\n".join(parts)


def generate(app):
    """Write what is generated, before anything is read."""
    from extensions.front import front_figure, front_table
    from extensions.messages import checks_page, errors_page, log_page

    from benchmarks.costs import cost_tables
    from benchmarks.report import charts

    if not settings.configured:
        settings.configure(
            INSTALLED_APPS=list(COMMANDS),
            DATABASES={},
        )
        import django

        django.setup()
    GENERATED.mkdir(exist_ok=True)
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text())
    for name, text in {
        "settings.rst": settings_list(),
        "commands.rst": commands(),
        "cost.rst": cost_tables(results),
        "front_figure.rst": front_figure(results),
        "front_table.rst": front_table(results),
        "errors.rst": errors_page(),
        "log.rst": log_page(),
        "checks.rst": checks_page(),
        **charts(results),
    }.items():
        (GENERATED / name).write_text(text)


def setup(app):
    """Sphinx calls this."""
    app.connect("builder-inited", generate)
