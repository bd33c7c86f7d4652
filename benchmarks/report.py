"""The table of the benchmark's results, in reStructuredText."""

HEAD = """\
Benchmarks
==========

Made by ``make bench``; the figures are those of ``benchmarks/results.json``.  All contenders
ran one after the other on one machine, against ministack on 127.0.0.1 behind a proxy that
counts requests and adds latency.  A no-op handler, 8 bytes of payload.  Timings are noisy:
compare rows of one table.  CPU is the client's; peak memory is that of its process.

"""
COLUMNS = (
    ("messages/s", "per_second", "{:.0f}"),
    ("requests/message", "requests_per_message", "{:.2f}"),
    ("CPU us/message", "cpu_us", "{:.0f}"),
    ("peak MB", "rss_mb", "{:.0f}"),
    ("bytes/message sent", "wire_bytes_per_message", "{:.0f}"),
)


def table(results):
    """The whole page."""
    parts = [HEAD]
    for action, title in (("send", "Sending"), ("consume", "Receiving and deleting")):
        for latency, rows in results[action].items():
            parts.append(_section(f"{title}, {latency} added to each request", rows))
    for queues, rows in results["queues"].items():
        parts.append(_section(f"Receiving from {queues}", rows))
    parts.append(_section("A full queue beside empty ones, 20 ms", results["full"]))
    parts.append(_idle(results["idle"]))
    return "\n".join(parts)


def _section(title, rows):
    header = ["contender", *(name for name, _, _ in COLUMNS)]
    body = [
        [name, *(_cell(figures, key, form) for _, key, form in COLUMNS)]
        for name, figures in rows.items()
    ]
    return f"{title}\n{'-' * len(title)}\n\n{_grid([header, *body])}\n"


def _idle(rows):
    title = "Idle"
    header = ["contender", "queues", "polls/minute and queue", "peak MB"]
    body = [
        [
            name,
            queues,
            _cell(figures, "per_minute_per_queue", "{:.1f}"),
            _cell(figures, "rss_mb", "{:.0f}"),
        ]
        for queues, contenders in rows.items()
        for name, figures in contenders.items()
    ]
    return f"{title}\n{'-' * len(title)}\n\n{_grid([header, *body])}\n"


def _cell(figures, key, form):
    value = (figures or {}).get(key)
    return "-" if value is None else form.format(value)


def _grid(rows):
    widths = [max(len(str(row[n])) for row in rows) or 1 for n in range(len(rows[0]))]
    rule = "  ".join("=" * width for width in widths)
    lines = [
        "  ".join(f"{cell!s:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])
