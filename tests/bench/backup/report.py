"""The figures as a Markdown table, and as a picture of plain bars."""

import html
import statistics

MIB = 2**20

# Measure, title, unit. Times first.
ROWS = [
    ("full_s", "first full", "s"),
    ("second_full_s", "second full, nothing changed", "s"),
    ("incremental_s", "incremental after a day (1 % new, 3 % flags)", "s"),
    ("incremental_from_log_s", "incremental, the log was fed by `watch`", "s"),
    ("synthetic_s", "synthetic full", "s"),
    ("restore_all_s", "restore of everything", "s"),
    ("restore_one_s", "restore of one account", "s"),
    ("repository_bytes", "repository after the first full", "MiB"),
    ("full_anonymous", "peak memory of the full, anonymous", "MiB"),
    ("full_mapped", "the same, mapped files", "MiB"),
    ("restore_all_anonymous", "peak memory of the restore, anonymous", "MiB"),
    ("restore_all_mapped", "the same, mapped files", "MiB"),
]
COLUMNS = ["restante", "restic", "borg", "cp -r", "tar | zstd"]


def median(result, measure, engine):
    values = result["samples"].get(measure, {}).get(engine)
    return statistics.median(values) if values else None


def shown(value, unit):
    if value is None:
        return ""
    return f"{value / MIB:.0f}" if unit == "MiB" else f"{value:.2f}"


def ratio(result, measure, other="restic"):
    """How much better restante is than another: more than 1 is faster or smaller."""
    own, others = median(result, measure, "restante"), median(result, measure, other)
    if not own or others is None:
        return ""
    return f"{others / own:.2f}"


def escaped(text):
    return text.replace("|", "\\|")


def table(result):
    settings = result["settings"]
    columns = [name for name in COLUMNS if any(name in row for row in result["samples"].values())]
    lines = [
        f"{settings['messages']:,} files, {settings['bytes'] / MIB:,.0f} MiB on the disk, profile "
        f"`{settings['profile']}`; medians of {settings['rounds']} rounds; not encrypted: "
        f"{', '.join(escaped(name) for name in settings['unencrypted']) or 'none'}; the account has "
        f"{shown(median(result, 'account_bytes', 'store'), 'MiB')} MiB.",
        "",
        "| | " + " | ".join(escaped(name) for name in columns) + " | restic / restante |",
        "|---" * (len(columns) + 2) + "|",
    ]
    for measure, title, unit in ROWS:
        if measure in result["samples"]:
            values = [shown(median(result, measure, name), unit) for name in columns]
            lines.append(f"| {title}, {unit} | " + " | ".join(values) + f" | {ratio(result, measure)} |")
    return "\n".join(lines)


def scale_table(rows):
    """One column a store size."""
    sizes = sorted(rows, key=int)
    lines = ["| | " + " | ".join(f"{int(size):,}" for size in sizes) + " | ratio |", "|---" * (len(sizes) + 2) + "|"]
    for measure in rows[sizes[0]]:
        values = [rows[size][measure] for size in sizes]
        unit = "s" if measure.endswith("_s") else "MiB"
        last = f"{values[-1] / values[0]:.2f}" if values[0] else ""
        shown_values = " | ".join(shown(value, unit) for value in values)
        lines.append(f"| {measure.removesuffix('_s')}, {unit} | {shown_values} | {last} |")
    return "\n".join(lines)


def picture(result):
    """Bars of the times and of the repository, a group for each."""
    groups = [row for row in ROWS if row[0] in result["samples"] and (row[2] == "s" or row[0] == "repository_bytes")]
    columns = [name for name in COLUMNS if any(name in row for row in result["samples"].values())]
    colours = dict(zip(COLUMNS, ("#2a6f97", "#d98e32", "#7a9e5b", "#a9a9a9", "#c9c9c9")))
    bar, left, width = 16, 110, 420
    parts, y = [], 10
    for measure, title, unit in groups:
        values = [(name, median(result, measure, name)) for name in columns]
        values = [(name, value) for name, value in values if value is not None]
        longest = max(value for _, value in values) or 1
        parts.append(f'<text x="8" y="{y + 14}" font-weight="bold">{html.escape(title.replace("`", ""))}</text>')
        y += 22
        for name, value in values:
            length = max(1, round(width * value / longest))
            parts.append(f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{html.escape(name)}</text>')
            parts.append(f'<rect x="{left}" y="{y + 1}" width="{length}" height="{bar - 3}" fill="{colours[name]}"/>')
            parts.append(f'<text x="{left + length + 6}" y="{y + 12}">{shown(value, unit)} {unit}</text>')
            y += bar
        y += 12
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 90} {y}" '
        f'font-family="sans-serif" font-size="12">'
    )
    background = f'<rect width="{left + width + 90}" height="{y}" fill="white"/>'
    return "\n".join([head, background, *parts, "</svg>"]) + "\n"
