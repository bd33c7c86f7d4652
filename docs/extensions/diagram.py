"""The directive ``diagram``: a drawing that is kept as text, in docs/diagrams/NAME.txt.

It becomes SVG in the page itself, which needs no program, no script and no network, and has the
page's colours, light or dark.  A line of the text is one of::

    size 370x480                               in pixels, once
    box NAME X,Y WIDTHxHEIGHT : text / text    what does something; the first text is its name
    store NAME X,Y WIDTHxHEIGHT : text / text  what keeps something
    arrow NAME.e X,Y ... NAME.n : text / text  from an edge (n, e, s, w), by corners, to an edge
    text X,Y : text / text

``NAME.e+10`` is 10 pixels further down (or, of ``n`` and ``s``, to the right) than the middle.
"""

from html import escape
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive, directives

FOLDER = Path(__file__).resolve().parents[1] / "diagrams"
LINE_HEIGHT = 17
#: From a line to the text beside it.
GAP = 6


class Drawing:
    """What one text draws."""

    def __init__(self, text):
        self.size = (0, 0)
        self._places = {}
        self._parts = []
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip() and not line.startswith("#"):
                try:
                    self._draw(line)
                except (AttributeError, IndexError, KeyError, ValueError) as exc:
                    raise ValueError(f"line {number}: {line!r}: {exc!r}") from exc

    def svg(self, title):
        """The whole drawing."""
        width, height = self.size
        return "\n".join(
            [
                f'<svg class="diagram" role="img" aria-label="{escape(title)}" '
                f'viewBox="0 0 {width} {height}" style="max-width: {width * 1.25:.0f}px">',
                '<defs><marker id="diagram-tip" viewBox="0 0 8 8" refX="7" refY="4" '
                'markerWidth="7" markerHeight="7" orient="auto-start-reverse">'
                '<path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>',
                *self._parts,
                "</svg>",
            ]
        )

    def _draw(self, line):
        head, _, tail = line.partition(" : ")
        kind, *words = head.split()
        texts = [text.strip() for text in tail.split(" / ")] if tail else []
        getattr(self, f"_draw_{kind}")(words, texts)

    def _draw_size(self, words, texts):
        self.size = pair(words[0], "x")

    def _draw_box(self, words, texts, radius=4):
        name, place, size = words
        (x, y), (width, height) = pair(place), pair(size, "x")
        self._places[name] = x, y, width, height
        self._parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}"/>'
        )
        first = y + (height - LINE_HEIGHT * (len(texts) - 1)) / 2
        self._write(x + width / 2, first, texts, "middle", named=True)

    def _draw_store(self, words, texts):
        self._draw_box(words, texts, radius=pair(words[2], "x")[1] / 2)

    def _draw_text(self, words, texts):
        self._write(*pair(words[0]), texts)

    def _draw_arrow(self, words, texts):
        points = [pair(word) if "," in word else self._edge(word) for word in words]
        way = "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
        self._parts.append(f'<path d="{way}" marker-end="url(#diagram-tip)"/>')
        if texts:
            (x1, y1), (x2, y2) = points[-2:]
            if x1 == x2:
                middle = (y1 + y2) / 2 - LINE_HEIGHT * (len(texts) - 1) / 2
                self._write(x1 + GAP, middle, texts)
            else:
                above = y1 - GAP - LINE_HEIGHT * (len(texts) - 0.5)
                self._write((x1 + x2) / 2, above, texts, "middle")

    def _edge(self, word):
        """The point of ``NAME.e+10``."""
        name, _, side = word.partition(".")
        x, y, width, height = self._places[name]
        along = int(side[1:] or 0)
        return {
            "n": (x + width / 2 + along, y),
            "s": (x + width / 2 + along, y + height),
            "w": (x, y + height / 2 + along),
            "e": (x + width, y + height / 2 + along),
        }[side[0]]

    def _write(self, x, y, texts, anchor="start", named=False):
        for number, text in enumerate(texts):
            name = ' class="name"' if named and number == 0 else ""
            self._parts.append(
                f'<text x="{x:g}" y="{y + number * LINE_HEIGHT:g}" text-anchor="{anchor}" '
                f'dominant-baseline="central"{name}>{escape(text)}</text>'
            )


def pair(word, by=","):
    """Two whole numbers, such as ``10,20``."""
    first, second = word.split(by)
    return int(first), int(second)


class Diagram(Directive):
    """``.. diagram:: NAME`` with its ``:alt:``, which is not left out."""

    required_arguments = 1
    option_spec = {"alt": directives.unchanged_required}  # noqa: RUF012 - docutils' way

    def run(self):
        """The drawing, or where it is not HTML what it shows, in words."""
        file = FOLDER / f"{self.arguments[0]}.txt"
        self.state.document.settings.env.note_dependency(str(file))
        if "alt" not in self.options:
            raise self.error("a diagram has an :alt:")
        alt = " ".join(self.options["alt"].split())
        svg = Drawing(file.read_text()).svg(alt)
        return [nodes.raw("", f'<div class="diagram">{svg}</div>', format="html")]


def setup(app):
    """Sphinx calls this."""
    app.add_directive("diagram", Diagram)
    app.add_css_file("diagram.css")
    return {"parallel_read_safe": True}
