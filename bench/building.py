"""Building an image of the tree, and changing an image of a million files."""

import os
import shutil
import sys
from pathlib import Path

from machine import run, timed
from peers import CIMFS, TAR_SYNCED, Builder
from report import Results
from targets import ADD_ROW, COMMIT_ROW, CREATE_ROW

FILES_BEFORE_CHANGE = 1_000_000


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


class Changing:
    """
    Measures small changes of a large image: `cim add` of one file, and `cim commit` of files that
    were changed in a mount. Both are compared with a rebuild of that image by `make_image`, which
    has no sources to read, and the commit with an archive of what was changed, too.
    """

    def __init__(
        self, work: Path, make_image: Path, wanted: set[str], results: Results
    ) -> None:
        self.output = work / "changed"
        self.mount_point = work / "mount"
        self.make_image = make_image
        self.wanted = wanted
        self.results = results

    def measure_round(self, number: int) -> None:
        print(f"round {number + 1}: changing", file=sys.stderr)
        self.output.mkdir()
        image = self.output / "image"
        os.sync()
        rebuild = timed([str(self.make_image), str(image), str(FILES_BEFORE_CHANGE)])
        os.sync()
        if ADD_ROW.name in self.wanted:
            self.results.note(ADD_ROW.name, "rebuild", rebuild)
            self.add(image)
        if COMMIT_ROW.name in self.wanted:
            self.results.note(COMMIT_ROW.name, "rebuild", rebuild)
            self.commit(image)
        shutil.rmtree(self.output)

    def add(self, image: Path) -> None:
        add = timed(["cim", "add", str(image), "/etc/passwd", "added"])
        self.results.note(ADD_ROW.name, CIMFS, add)

    def commit(self, image: Path) -> None:
        self.mount_point.mkdir(exist_ok=True)
        run(["cim", "mount", "--rw", str(image), str(self.mount_point)])
        try:
            change_files(self.mount_point)
            os.sync()
            upper = self.output / "image.upper/upper"
            archive = timed(TAR_SYNCED.command_for(upper, self.output / "archive"))
            commit = timed(["cim", "commit", str(self.mount_point), "committed"])
        finally:
            run(["cim", "umount", "--discard", str(self.mount_point)])
        self.results.note(COMMIT_ROW.name, TAR_SYNCED.name, archive)
        self.results.note(COMMIT_ROW.name, CIMFS, commit)


def change_files(tree: Path) -> None:
    """
    Changes a file in each of the 100 directories at the top of an image that `make_image` has made.
    Does not list them: what the kernel then knows of other files would have to be forgotten later.
    """
    for number in range(100):
        file = tree / f"d{number}/d{number * 100}/file{number * 10_000}"
        with file.open("r+") as content:
            content.write("changed")
