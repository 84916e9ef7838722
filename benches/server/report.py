"""Writes the results of a run: the table, docs/benchmarks.md with its plots and data, and the table of a
full node in docs/operations.md."""

import json
import math
import re

import fleet
import host
import plots
import scaling
from figures import Bars, Figure, Series, Skip
from harness import ROOT

PAGE = ROOT / "docs/benchmarks.md"
FOLDER = ROOT / "docs/benchmarks"
DATA = FOLDER / "data.json"
OPERATIONS = ROOT / "docs/operations.md"
#: The table of docs/operations.md stands between these two lines.
FLEET = re.compile(r"(?<=<!-- written by make bench -->\n).*?(?=<!-- end -->\n)", re.S)
#: A figure with more peers gets a separate table.
FEW = 4


class Result:
    """The figures, series, bar charts and skips of a run."""

    def __init__(self, figures=(), series=(), bars=(), skips=(), about=None):
        self.figures, self.series, self.bars, self.skips = list(figures), list(series), list(bars), list(skips)
        self.about = about or host.about()

    def add(self, rows, plotted):
        self.figures += [row for row in rows if isinstance(row, Figure)]
        self.skips += [row for row in rows if isinstance(row, Skip)]
        self.series += [each for each in plotted if isinstance(each, Series)]
        self.bars += [each for each in plotted if isinstance(each, Bars)]

    def save(self):
        parts = {"figures": self.figures, "series": self.series, "bars": self.bars, "skips": self.skips}
        data = {name: [row.as_data() for row in rows] for name, rows in parts.items()}
        FOLDER.mkdir(parents=True, exist_ok=True)
        DATA.write_text(json.dumps({"about": self.about} | data, indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls):
        data = json.loads(DATA.read_text())
        kinds = {"figures": Figure, "series": Series, "bars": Bars, "skips": Skip}
        rows = {name: [kind(**row) for row in data.get(name, [])] for name, kind in kinds.items()}
        return cls(about=data["about"], **rows)


def problems(result):
    """Yields figures that are missing or impossible. The check doesn't depend on the machine's speed."""
    for skip in result.skips:
        if not skip.optional:
            yield f"no figure for {skip.what}: {skip.why}"
    for figure in result.figures:
        least = 0 if figure.unit == "%" else 1e-6
        if not _is_sane([figure.value, *figure.peers.values()], least):
            yield f"{figure.what}: {figure.value} {figure.peers}"
    for series in result.series:
        for name, curve in series.curves.items():
            if len(curve) < 2 or not _is_sane([value for point in curve for value in point], 1e-6):
                yield f"{series.title}: {name}: {curve}"
    for bars in result.bars:
        for name, group in bars.groups.items():
            if not _is_sane(group.values(), 1e-6):
                yield f"{bars.title}: {name}: {group}"


def _is_sane(values, least):
    return all(math.isfinite(value) and least <= value < 1e12 for value in values)


# ---- the table --------------------------------------------------------------------------------


def table(result):
    """Returns the table as text: figure, target and verdict, with the peers under each figure."""
    lines = [f"{'verdict':8} {'figure':>10} {'target':>8}  what"]
    for figure in result.figures:
        value = _number(figure.value)
        lines.append(f"{figure.verdict:8} {value:>10} {figure.target:>8}  {_what(figure)}")
        lines += [" " * 30 + line for line in _peers(figure)]
    for series in result.series:
        lines.append(" " * 30 + series.title)
        for name, curve in series.curves.items():
            lines.append(" " * 32 + f"{name}: {' '.join(_number(y) for _, y in curve)}")
    lines += [f"{'skipped':8} {'':>10} {'':>8}  {skip.what}: {skip.why}" for skip in result.skips]
    return "\n".join(lines)


def _what(figure):
    return figure.what + (f", {figure.unit}" if figure.unit else "")


def _peers(figure):
    if len(figure.peers) > FEW:
        values = figure.peers.values()
        return [f"{len(values)} cases from {_number(min(values))} to {_number(max(values))}"]
    peers = " · ".join(f"{name} {_number(value)}" for name, value in figure.peers.items())
    return [peers] if peers else []


def _number(value):
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 10 else f"{value:.1f}"


# ---- the page ---------------------------------------------------------------------------------


def write(result):
    """Saves the data, and writes the page and the plots from it."""
    result.save()
    redraw()


def replace(result, section, order):
    """Puts the results of one section into the data of the last run. `order` is that of all sections."""
    whole = Result.load()
    for name in ("figures", "series", "bars", "skips"):
        rows = [row for row in getattr(whole, name) if row.section != section] + getattr(result, name)
        setattr(whole, name, sorted(rows, key=lambda row: order.index(row.section)))
    about = result.about
    whole.about[f"{section}, measured apart"] = f"{about['date']}, module {about['module']}"
    whole.save()
    redraw()


def redraw():
    result = Result.load()
    for series in result.series:
        (FOLDER / f"{series.name}.svg").write_text(plots.draw(series))
    for bars in result.bars:
        (FOLDER / f"{bars.name}.svg").write_text(plots.draw_bars(bars))
    PAGE.write_text(page(result))
    OPERATIONS.write_text(FLEET.sub(lambda _: fleet_table(result), OPERATIONS.read_text()))
    print(f"bench: wrote {PAGE.relative_to(ROOT)} and the table of {OPERATIONS.relative_to(ROOT)}")


def fleet_table(result):
    return fleet.table(result.figures, _number)


def page(result):
    parts = [
        "# Benchmarks",
        "What one command costs, what a machine takes in memory and on disk, and how both grow. "
        "`make bench` measures all of it against plain commands, a Lua script over a hash, and the least "
        "that any module command can cost, [whole moves](comparison.md) also against PostgreSQL, and writes this page "
        "with its plots from "
        "[its data](benchmarks/data.json). Do not edit it by hand.",
        _about(result),
        "## Figures",
        "Instructions are counted inside the server, from the parsed command to its reply: they are the "
        "same on a busy machine. Times are ratios of commands that took turns in one run.",
        _figures(result),
        *(_bars(bars) for bars in result.bars),
        *_missed(result),
        "## How cost grows",
        f"Measured by {_command('growth')}.",
        *(_growth(series) for series in result.series),
        "## Case by case",
        *(_cases(figure) for figure in result.figures if len(figure.peers) > FEW),
    ]
    return "\n\n".join(parts) + "\n"


def _about(result):
    return _markdown(("", ""), result.about.items())


def _figures(result):
    rows = [(_what(f), f.target, _number(f.value), f.verdict, "; ".join(_peers(f)), f.section) for f in result.figures]
    rows += [(skip.what, "", "skipped", "", skip.why, skip.section) for skip in result.skips]
    text = _markdown(("what", "target", "measured", "verdict", "beside it", "section"), rows)
    return f"{text}\n\nThe command for a figure is {_command('SECTION')}; for all of them, `make bench`."


def _missed(result):
    missed = [figure for figure in result.figures if figure.verdict == "missed"]
    if not missed:
        return ["Every target is met."]
    parts = ["## Targets that are missed, and where it goes"]
    for figure in missed:
        said = [f"```\n{figure.profile.strip()}\n```"] if figure.profile else []
        parts += [f"**{_what(figure)}**: {_number(figure.value)}, target {figure.target}.", *said]
    return parts


def _bars(bars):
    return f"## {bars.title}\n\n![{bars.title}](benchmarks/{bars.name}.svg)\n\nMeasured by {_command(bars.section)}."


def _growth(series):
    image = f"![{series.title}](benchmarks/{series.name}.svg)"
    return f"### {series.title}\n\n{image}\n\n{scaling.sentence(series)}"


def _cases(figure):
    rows = ((name, _number(value)) for name, value in figure.peers.items())
    return f"### {_what(figure)}\n\n{_markdown(('case', 'figure'), rows)}"


def _command(section):
    return f"`.venv/bin/python benches/server/bench.py --only {section}`"


def _markdown(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
