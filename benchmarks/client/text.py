"""Text: the client's figures beside their goals, to be read."""

from ..grid import grid


def text(results):
    """What :func:`.program.run` returned, as a table."""
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    rows = [["what", "figure", "goal", "met", "seen"]]
    for each in results["figures"]:
        met = {None: "", True: "yes", False: "no"}[each["met"]]
        rows.append([each["what"], value_of(each), each["goal"] or "", met, each["seen"]])
    return (
        f"{results['date']}, commit {results['commit']}, on {results['machine']};\n"
        f"Python {results['python']}, {versions}.\n\n{grid(rows)}\n"
    )


def value_of(figure):
    """A figure with its unit."""
    value = figure["value"]
    if value is None:
        return "failed"
    digits = 2 if abs(value) < 10 and value != int(value) else 0
    return f"{value:,.{digits}f} {figure['unit']}".rstrip()
