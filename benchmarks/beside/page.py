"""Page: what was counted, and what was seen, for the documentation."""

from ..grid import grid
from ..made import made_with

#: The columns' heads, short, since a phone is narrow.
HEADS = {
    "celery": "Celery",
    "dj_queue": "dj-queue",
    "django_sqs": "receivers",
    "django_sqs_tasks": "tasks",
}


def page(stored, text):
    """The page: *text*, with its figures.

    :param text: the page as it is written, with a name in braces for each figure.
    """
    projects = stored["projects"]
    celery = projects["celery"]
    return text.format(
        lines=_table(projects, LINES),
        processes=_table(projects, PROCESSES),
        requests=_table(projects, REQUESTS),
        statements=_table(projects, STATEMENTS),
        packages=_packages(projects),
        pauses=_pauses(projects),
        flower=_flower(celery),
        idle_seconds=celery["idle"]["seconds"],
        orders=f"{celery['orders']['count']:,}",
        made=made_with([stored["about"]]),
    )


def requests(measured):
    """All requests to SQS."""
    return sum(measured["requests"].values())


def an_hour(project, key):
    """What an hour of nothing to do costs, of the time that it was watched."""
    idle = project["idle"]
    counted = requests(idle) if key == "requests" else idle[key]
    return round(counted * 3600 / idle["seconds"])


LINES = {
    "lines of code": lambda p: p["lines"],
    "files": lambda p: p["files"],
    "packages": lambda p: len(p["packages"]),
}
PROCESSES = {
    "commands": lambda p: len(p["commands"]),
    "processes": lambda p: sum(p["processes"].values()),
    "MB": lambda p: f"{p['memory_mb']:.0f}",
}
REQUESTS = {
    "orders": lambda p: f"{requests(p['orders']):,}",
    "idle hour": lambda p: f"{an_hour(p, 'requests'):,}",
}
STATEMENTS = {
    "orders": lambda p: f"{p['orders']['statements']:,}",
    "idle hour": lambda p: f"{an_hour(p, 'statements'):,}",
}


def _table(projects, rows):
    head = ["", *(HEADS[name] for name in projects)]
    return grid([head, *([name, *map(of, projects.values())] for name, of in rows.items())])


def _packages(projects):
    return "\n".join(
        f"- {project['title']}: {', '.join(sorted(project['packages'], key=str.lower))}."
        for project in projects.values()
    )


def _pauses(projects):
    return ", ".join(
        f"{project['third try after']:.1f} s ({HEADS[name]})" for name, project in projects.items()
    )


def _flower(celery):
    known = celery["flower"]
    return " and ".join(
        f"``/api/{name}`` does not answer" if count is None else f"``/api/{name}`` has {count}"
        for name, count in known.items()
    )
