"""Grid: a table in reStructuredText."""


def grid(rows):
    """A simple table, the first row its head."""
    widths = [max(len(str(row[n])) for row in rows) or 1 for n in range(len(rows[0]))]
    rule = "  ".join("=" * width for width in widths)
    lines = [
        "  ".join(f"{cell!s:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])
