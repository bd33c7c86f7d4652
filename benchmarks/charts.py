"""Charts: bars in SVG, drawn in the page's own colours, so that they are read in light and dark."""

from html import escape

#: The space for names and for figures, and the height of a bar, in the drawing's units.
NAMES, FIGURES, BAR = 172, 40, 18
WIDTH = 400
#: Of the parts of a bar; the theme's own first, where there is one.
COLOURS = ("var(--color-brand-primary, #0a4bff)", "var(--color-admonition-title--tip, #00a67d)")


def bars(title, rows, parts=("",), form="{:.2f}"):
    """A chart of horizontal bars.

    :param title: what it shows, which is said to those who do not see it, with all figures.
    :param rows: by name: a figure of each part, which are stacked.
    :param parts: what the parts are; one that is not named: no legend.
    :param form: how a bar's sum is written.
    """
    longest = max(sum(figures) for figures in rows.values())
    scale = (WIDTH - NAMES - FIGURES) / longest
    legend = 20 if len(parts) > 1 else 0
    height = legend + len(rows) * (BAR + 8) + 4
    drawn = list(_legend(parts)) if legend else []
    for number, (name, figures) in enumerate(rows.items()):
        y = legend + number * (BAR + 8) + 4
        drawn.append(_text(NAMES - 8, y, name, "end"))
        x = float(NAMES)
        for colour, figure in zip(COLOURS, figures, strict=False):
            drawn.append(_bar(x, y, figure * scale, colour))
            x += figure * scale
        drawn.append(_text(x + 5, y, form.format(sum(figures))))
    said = f"{title}: " + "; ".join(
        f"{name} {form.format(sum(figures))}" for name, figures in rows.items()
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
            f' aria-label="{escape(said)}" style="width: 100%; max-width: 40rem; height: auto"'
            ' fill="currentColor" font-size="12" font-family="sans-serif">',
            *drawn,
            "</svg>\n",
        ]
    )


def _legend(parts):
    x = NAMES
    for colour, part in zip(COLOURS, parts, strict=False):
        yield f'<rect x="{x}" y="4" width="11" height="11" style="fill: {colour}"/>'
        yield f'<text x="{x + 16}" y="14">{escape(part)}</text>'
        x += 34 + 7 * len(part)


def _bar(x, y, width, colour):
    shape = f'x="{x:.1f}" y="{y}" width="{max(1.0, width):.1f}" height="{BAR}"'
    return f'<rect {shape} style="fill: {colour}"/>'


def _text(x, y, text, anchor="start"):
    return f'<text x="{x:.1f}" y="{y + 13}" text-anchor="{anchor}">{escape(text)}</text>'
