"""The results as tables, as JSON and as a chart."""

import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from machine import Failure
from peers import CIMFS
from targets import ROWS, TABLES, Row, Samples, format_ratio, medians_of


def format_seconds(seconds: float) -> str:
    """With three significant digits."""
    return f"{seconds:.0f}" if seconds >= 100 else f"{seconds:#.3g}"


def markdown_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """All columns but the first are numbers, aligned to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(header, *lines)]
    rule = ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]

    def line(cells: Sequence[str]) -> str:
        padded = [cells[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:])]
        return "| " + " | ".join(padded) + " |"

    return "\n".join([line(header), line(rule), *(line(cells) for cells in lines)])


def cell(peer: str, medians: dict[str, float]) -> str:
    """The seconds of a peer, and in brackets the ratio of cimfs to them."""
    if peer not in medians:
        return "–"
    if peer == CIMFS or CIMFS not in medians:
        return format_seconds(medians[peer])
    return f"{format_seconds(medians[peer])} ({format_ratio(medians[CIMFS] / medians[peer])})"


def spread(samples: dict[str, list[float]]) -> str:
    """The slowest round divided by the fastest, for the peer where this is largest."""
    return f"{max(max(seconds) / min(seconds) for seconds in samples.values()):.2f}"


def table(rows: Sequence[Row], samples: Samples) -> str:
    measured = [row for row in rows if row.name in samples]
    peers = list(dict.fromkeys(peer for row in measured for peer in samples[row.name]))
    peers.sort(key=lambda peer: peer != CIMFS)
    lines = []
    for row in measured:
        medians = medians_of(samples[row.name])
        reached = [target.reached(medians) or "–" for target in row.targets]
        lines.append(
            [row.name]
            + [cell(peer, medians) for peer in peers]
            + [spread(samples[row.name])]
            + ["; ".join(str(target) for target in row.targets), "; ".join(reached)]
        )
    return markdown_table(["seconds (cimfs/peer)", *peers, "spread", "target", "met"], lines)


def tables(samples: Samples) -> str:
    shown = [rows for rows in TABLES if any(row.name in samples for row in rows)]
    return "\n\n".join(table(rows, samples) for rows in shown)


class Results:
    """All samples so far. The JSON `file`, if any, has them whatever ends the run."""

    def __init__(self, facts: dict[str, object], file: Path | None) -> None:
        self.facts = facts
        self.file = file
        self.samples: Samples = {}
        self.finished = False

    def note(self, row: str, peer: str, seconds: float) -> None:
        self.samples.setdefault(row, {}).setdefault(peer, []).append(seconds)
        self.write()

    def finish(self) -> None:
        """Call when nothing is left to measure."""
        self.finished = True
        self.write()

    def write(self) -> None:
        if self.file is None:
            return
        medians = {row: medians_of(peers) for row, peers in self.samples.items()}
        targets = {
            row.name: {str(target): target.reached(medians[row.name]) for target in row.targets}
            for row in ROWS
            if row.name in self.samples
        }
        report = {
            "facts": self.facts,
            "finished": self.finished,
            "seconds": self.samples,
            "medians": medians,
            "targets": targets,
        }
        new = self.file.with_name(self.file.name + ".new")  # so that the file is always whole
        new.write_text(json.dumps(report, indent=2) + "\n")
        new.replace(self.file)

    def print(self) -> None:
        for name, fact in self.facts.items():
            print(f"{name}: {fact}")
        print(f"\n{tables(self.samples)}")


def require_chart_library() -> None:
    if importlib.util.find_spec("matplotlib") is None:
        raise Failure(f"--chart: {sys.executable} has no matplotlib (python3-matplotlib)")


def write_chart(file: Path, samples: Samples) -> None:
    """A small bar chart of the medians for each row."""
    from matplotlib import pyplot  # large, and needed only here

    columns = 3
    rows = [row for row in ROWS if row.name in samples]
    lines = -(-len(rows) // columns)
    figure, axes = pyplot.subplots(lines, columns, figsize=(12, 2.2 * lines), squeeze=False)
    for axis in axes.flat[len(rows) :]:
        axis.remove()
    for row, axis in zip(rows, axes.flat):
        medians = medians_of(samples[row.name])
        peers = sorted(medians, key=lambda peer: medians[peer], reverse=True)
        colors = ["tab:orange" if peer == CIMFS else "tab:gray" for peer in peers]
        bars = axis.barh(peers, [medians[peer] for peer in peers], color=colors)
        axis.bar_label(bars, [format_seconds(medians[peer]) for peer in peers], padding=2)
        axis.set_title(f"{row.title} (s)", fontsize=10)
        axis.margins(x=0.2)
        axis.xaxis.set_visible(False)
        axis.spines[["top", "right", "bottom"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(file)
