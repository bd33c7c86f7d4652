"""docs/platforms.rst names the versions that the package asks for, and no others."""

import re

import pytest
from packaging.requirements import Requirement

from .test_structure import ROOT

# Python 3.10 has none.
tomllib = pytest.importorskip("tomllib")

PAGE = (ROOT / "docs" / "platforms.rst").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
#: What only developers install.
OURS = {"dev", "docs", "browser", "mysql"}
EXTRAS = {
    name: needed for name, needed in PROJECT["optional-dependencies"].items() if name not in OURS
}
#: Beside moto, and of no use without it.
BESIDE = {"flask", "flask-cors"}


def versions(of):
    """The versions of a part, as the classifiers say."""
    found = (re.fullmatch(rf"{of} :: (\d+\.\d+)", text) for text in PROJECT["classifiers"])
    return [match[1] for match in found if match]


@pytest.mark.parametrize("part", ["Python", "Django"])
def test_the_versions_are_those_of_the_classifiers(part):
    [line] = re.findall(rf"^{part} {{9,}}(\d.*)", PAGE, re.M)
    of = "Programming Language :: Python" if part == "Python" else "Framework :: Django"

    assert re.findall(r"(?<![\d.])\d+\.\d+(?![\d.])", line) == versions(of)


@pytest.mark.parametrize(
    "text", [*PROJECT["dependencies"], *(r for e in EXTRAS.values() for r in e)]
)
def test_what_is_needed_is_there_with_its_version(text):
    requirement = Requirement(text)
    [least] = [one.version for one in requirement.specifier if one.operator == ">="]
    lines = re.findall(rf"^.*\b{requirement.name}\b.*$", PAGE, re.M | re.I)

    assert requirement.name in BESIDE or any(least in line for line in lines)


def test_the_extras_are_there():
    table = PAGE.partition("Extras\n------")[2].partition("Databases\n---------")[0]

    assert set(re.findall(r"^``([\w-]+)`` ", table, re.M)) == EXTRAS.keys()
