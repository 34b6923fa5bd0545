"""Building an image of the tree, and adding a file to an image of a million."""

import os
import shutil
import sys
from pathlib import Path

from machine import run, timed
from peers import CIMFS, Builder
from report import Results
from targets import ADD_ROW, CREATE_ROW

FILES_BEFORE_ADD = 1_000_000


class Creating:
    """Measures how long `builders` take for `tree`. Their output is kept in `work` only briefly."""

    def __init__(self, work: Path, tree: Path, builders: list[Builder], results: Results) -> None:
        self.output = work / "created"
        self.tree = tree
        self.builders = builders
        self.results = results

    def measure_round(self, number: int) -> None:
        start = number % len(self.builders)
        for builder in self.builders[start:] + self.builders[:start]:
            print(f"round {number + 1}: {builder.name}", file=sys.stderr)
            self.results.note(CREATE_ROW.name, builder.name, self.measure(builder))

    def measure(self, builder: Builder) -> float:
        run(["bash", "-c", 'tar -cf - -C "$1" . | cat > /dev/null', "bash", str(self.tree)])  # warm
        self.output.mkdir()
        os.sync()
        seconds = timed(builder.command_for(self.tree, self.output / "image"))
        shutil.rmtree(self.output)
        return seconds


class Adding:
    """
    Measures `cim add` of one file to a large image, compared with a rebuild of that image by
    `make_image`, which has no sources to read.
    """

    def __init__(self, work: Path, make_image: Path, results: Results) -> None:
        self.output = work / "added"
        self.make_image = make_image
        self.results = results

    def measure_round(self, number: int) -> None:
        print(f"round {number + 1}: adding", file=sys.stderr)
        self.output.mkdir()
        image = self.output / "image"
        os.sync()
        rebuild = timed([str(self.make_image), str(image), str(FILES_BEFORE_ADD)])
        os.sync()
        add = timed(["cim", "add", str(image), "/etc/passwd", "added"])
        shutil.rmtree(self.output)
        self.results.note(ADD_ROW.name, "rebuild", rebuild)
        self.results.note(ADD_ROW.name, CIMFS, add)
