"""Templates: databases with all tables are migrated once for each schema, then copied."""

import atexit
import itertools
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from . import direct, settings
from .kinds import KINDS, POSTGRESQL

#: What the schema does not depend on, of the environment that settings are made of.
PLACES = {"TEST_DATABASE", "TEST_FOLDER", "TEST_SQS_PREFIX", "TEST_SQS_ENDPOINT_URL"}

#: A test may have a folder of its own for such files, which is gone with it.
_WHERE = tempfile.gettempdir()
_numbers = itertools.count()
_known = {}
_folder = None


def is_missing(environment, alias):
    """Whether it is a file that is not there."""
    return _is_sqlite(environment) and not os.path.exists(_name(environment, alias))


def create(environment, alias):
    """Create the database that *environment* names; return whether it has its tables already."""
    template = _known.get(_key(environment, alias))
    if template is None:
        direct.create(environment, alias)
    elif _is_sqlite(environment):
        _copy(template, _name(environment, alias))
    else:
        direct.create(environment, alias, template=template)
    return template is not None


def keep(environment, alias):
    """Have later databases of this schema copied from this one, whose tables were just made."""
    global _folder
    key = _key(environment, alias)
    if key in _known or not _can_be_copied(environment):
        return
    name = _name(environment, alias)
    template = f"template_{os.getpid()}_{next(_numbers)}"
    if _is_sqlite(environment):
        if _folder is None:
            _folder = Path(tempfile.mkdtemp(prefix="templates-", dir=_WHERE))
            atexit.register(shutil.rmtree, _folder, ignore_errors=True)
        template = _folder / template
        _copy(name, template)
    else:
        direct.create({**environment, "TEST_DATABASE": template}, template=name)
    _known[key] = template


def _name(environment, alias):
    return settings.databases(environment)[alias]["NAME"]


def _key(environment, alias):
    """What the tables depend on, and the server that they are in."""
    prefixes = ("TEST_", "DB", "ROUTER", "REPLICA", "SECOND")
    found = {
        (name, value)
        for name, value in environment.items()
        if name.startswith(prefixes) and name not in PLACES
    }
    return alias, frozenset(found)


def _is_sqlite(environment):
    return (environment.get("DB") or "sqlite") == "sqlite" and "TEST_POSTGRES" not in environment


def _can_be_copied(environment):
    # A pooler keeps connections open, and PostgreSQL copies only what nobody is connected to.
    kind = environment.get("DB") or "sqlite"
    if "TEST_POSTGRES" in environment or kind == "pgbouncer":
        return False
    return _is_sqlite(environment) or KINDS[kind].engine == POSTGRESQL


def _copy(source, target):
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
