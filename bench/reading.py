"""Mounting, walking and reading: each peer in turn, round after round."""

import json
import random
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from machine import Failure, drop_caches, run, timed
from peers import Builder, Peer
from report import Results
from workspace import mounted

LARGE_FILE = "large"  # the only file of its source directory
SEED = 4  # of the random order of paths
RANDOM_READS = 16384

Step = Callable[[Path], float]  # does its work below a root directory, returns the seconds


@dataclass(frozen=True)
class Phase:
    """Steps within one mount, made with cold caches. Each finds what the last one cached."""

    source: Path
    steps: tuple[tuple[str, Step], ...]  # row, work
    mount_row: str | None = None  # the row of the mounting itself

    def wanted_steps(self, wanted: set[str]) -> tuple[tuple[str, Step], ...]:
        """The steps up to the last one whose row is wanted."""
        ends = [i + 1 for i, (row, _) in enumerate(self.steps) if row in wanted]
        return self.steps[: max(ends, default=0)]

    def is_wanted(self, wanted: set[str]) -> bool:
        return self.mount_row in wanted or bool(self.wanted_steps(wanted))


def pipeline(text: str) -> list[str]:
    return ["bash", "-c", "set -o pipefail; " + text]


def walk(root: Path) -> float:
    return timed(["find", ".", "-printf", r"%s %m %u %T@\n"], cwd=root)


def list_long(root: Path) -> float:
    return timed(pipeline("ls -lR > /dev/null"), cwd=root)


def read_files(root: Path) -> float:
    return timed(pipeline("find . -type f -print0 | xargs -0 cat > /dev/null"), cwd=root)


def read_listed_files(file_list: Path) -> Step:
    command = pipeline(f"xargs -0 --arg-file={shlex.quote(str(file_list))} cat > /dev/null")
    return lambda root: timed(command, cwd=root)


def read_sequentially(root: Path) -> float:
    return timed(["dd", f"if={LARGE_FILE}", "of=/dev/null", "bs=1M", "status=none"], cwd=root)


def read_randomly(threads: int) -> Step:
    command = [
        "fio", "--name=random", f"--filename={LARGE_FILE}", "--readonly", "--rw=randread",
        "--bs=4k", "--ioengine=psync", "--thread", f"--numjobs={threads}", "--group_reporting",
        f"--number_ios={RANDOM_READS // threads}", "--randseed=4", "--allrandrepeat=1",
        "--invalidate=0", "--fadvise_hint=0", "--output-format=json",
    ]  # fmt: skip

    def read(root: Path) -> float:
        report = json.loads(run(command, cwd=root))["jobs"][0]["read"]
        if report["total_ios"] != RANDOM_READS:
            raise Failure(f"fio read {report['total_ios']} blocks instead of {RANDOM_READS}")
        return report["runtime"] / 1000

    return read


def write_shuffled_list(tree: Path, file_list: Path) -> None:
    """Lists the files of `tree`, each with a NUL at the end, always in the same random order."""
    listed = run(["find", ".", "-type", "f", "-print0"], cwd=tree).split("\0")[:-1]
    paths = sorted(listed)
    random.Random(SEED).shuffle(paths)
    text = "".join(path + "\0" for path in paths)
    file_list.write_text(text, encoding="utf-8", errors="surrogateescape")


def make_phases(tree: Path, large: Path, file_list: Path) -> list[Phase]:
    return [
        Phase(tree, (("walk", walk), ("walk-warm", walk)), mount_row="mount"),
        Phase(tree, (("list", list_long), ("list-warm", list_long))),
        Phase(tree, (("read", read_files), ("read-warm", read_files))),
        Phase(tree, (("read-shuffled", read_listed_files(file_list)),)),
        Phase(large, (("sequential", read_sequentially),)),
        Phase(large, (("random-1", read_randomly(1)),)),
        Phase(large, (("random-4", read_randomly(4)),)),
    ]


def digest(root: Path) -> str:
    """A digest of the names and contents of all files."""
    return run(
        pipeline("find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum -- | sha256sum"),
        cwd=root,
    )


class Reading:
    """
    Makes images for `peers` in `work`, measures them in `phases`, and notes the rows `wanted` in
    `results`.
    """

    def __init__(
        self, work: Path, peers: list[Peer], phases: list[Phase], wanted: set[str], results: Results
    ) -> None:
        self.work = work
        self.peers = peers
        self.phases = [phase for phase in phases if phase.is_wanted(wanted)]
        self.wanted = wanted
        self.results = results

    def prepare(self) -> None:
        """Makes the images, and checks that all peers show what is in the sources."""
        for source in dict.fromkeys(phase.source for phase in self.phases):
            for builder in dict.fromkeys(peer.builder for peer in self.peers if peer.builder):
                print(f"image of {source.name}: {builder.name}", file=sys.stderr)
                image = self.image(builder, source)
                image.parent.mkdir(parents=True)
                run(builder.command_for(source, image))
            self.compare_contents(source)

    def compare_contents(self, source: Path) -> None:
        expected = digest(source)
        for peer in self.peers:
            print(f"contents of {source.name}: {peer.name}", file=sys.stderr)
            with self.mount(peer, source) as (root, _):
                if digest(root) != expected:
                    raise Failure(f"{peer.name}: its files differ from those of the source")

    def measure_round(self, number: int) -> None:
        """Measures all once, starting with another peer each round."""
        start = number % len(self.peers)
        for peer in self.peers[start:] + self.peers[:start]:
            print(f"round {number + 1}: {peer.name}", file=sys.stderr)
            for phase in self.phases:
                self.measure(peer, phase)

    def measure(self, peer: Peer, phase: Phase) -> None:
        drop_caches()
        with self.mount(peer, phase.source) as (root, seconds):
            if phase.mount_row and seconds is not None:
                self.note(phase.mount_row, peer, seconds)
            for row, step in phase.wanted_steps(self.wanted):
                self.note(row, peer, step(root))

    def note(self, row: str, peer: Peer, seconds: float) -> None:
        if row in self.wanted:
            self.results.note(row, peer.name, seconds)

    def image(self, builder: Builder, source: Path) -> Path:
        return self.work / "images" / builder.name / source.name / "image"

    @contextmanager
    def mount(self, peer: Peer, source: Path) -> Iterator[tuple[Path, float | None]]:
        """Yields the root, and the seconds until it answered: None for the plain directory."""
        if peer.builder is None:
            yield source, None
            return
        mount_point = self.work / "mount"
        command = peer.command_for(self.image(peer.builder, source), mount_point)
        with mounted(command, mount_point) as seconds:
            yield mount_point, seconds
