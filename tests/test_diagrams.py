"""The drawings of the documentation: text that becomes SVG, which says in words what it shows."""

import re
import sys
from xml.etree import ElementTree

import pytest

from .test_structure import ROOT

sys.path.append(str(ROOT / "docs"))
from extensions.diagram import FOLDER, Drawing

DIAGRAMS = sorted(FOLDER.glob("*.txt"))
#: The most that a letter takes of a line, in pixels, at the size that diagram.css gives.
LETTER = 7


def drawn(text):
    drawing = Drawing(text)
    return drawing, ElementTree.fromstring(drawing.svg("a & <b>"))


@pytest.mark.parametrize("file", DIAGRAMS, ids=lambda file: file.stem)
def test_all_of_a_drawing_is_inside_of_it(file):
    drawing, svg = drawn(file.read_text())
    width, height = drawing.size

    assert svg.get("aria-label") == "a & <b>"
    assert svg.findall("rect")
    for box in svg.findall("rect"):
        x, y, w, h = (float(box.get(name)) for name in ("x", "y", "width", "height"))
        assert x >= 0
        assert y >= 0
        assert x + w <= width
        assert y + h <= height
    for text in svg.findall("text"):
        x, long = float(text.get("x")), len(text.text) * LETTER
        left = x - long / 2 if text.get("text-anchor") == "middle" else x
        assert left >= 0, text.text
        assert left + long <= width + LETTER, text.text
        assert 0 <= float(text.get("y")) <= height


@pytest.mark.parametrize("file", DIAGRAMS, ids=lambda file: file.stem)
def test_a_drawing_is_shown_and_said_in_words(file):
    pages = [page.read_text() for page in (ROOT / "docs").rglob("*.rst")]
    found = [
        alt
        for page in pages
        for alt in re.findall(rf"\.\. diagram:: {file.stem}\n +:alt: ((?:.+\n)+)", page)
    ]

    assert found
    assert all(len(alt) > 100 for alt in found)


def test_an_arrow_leads_from_the_edge_of_a_box_to_that_of_another():
    _, svg = drawn("size 100x200\nbox a 10,10 40x20 : A\nstore b 10,100 40x30 : B\narrow a.s+5 b.n")

    [way] = svg.findall("path")
    assert way.get("d") == "M35 30L30 100"


@pytest.mark.parametrize("line", ["arrow a.s b.n", "circle a 1,1 2x2", "box a 10 40x20 : A"])
def test_a_line_that_cannot_be_drawn_is_named(line):
    with pytest.raises(ValueError, match=f"line 2: '{re.escape(line)}'"):
        Drawing(f"size 100x200\n{line}")
