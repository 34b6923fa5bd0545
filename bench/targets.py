"""The rows of the tables, and the target of each."""

from dataclasses import dataclass
from statistics import median

from peers import CIMFS

# Seconds, by row and peer: one for each round.
Samples = dict[str, dict[str, list[float]]]


def format_ratio(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"


@dataclass(frozen=True)
class Ratio:
    """At most `at_most` times the fastest of `peers`."""

    at_most: float
    peers: tuple[str, ...]

    def __str__(self) -> str:
        best = self.peers[0] if len(self.peers) == 1 else "the best FUSE"
        return f"{self.at_most:g} × {best}"

    def reached(self, medians: dict[str, float]) -> str | None:
        others = [medians[peer] for peer in self.peers if peer in medians]
        if CIMFS not in medians or not others:
            return None
        ratio = medians[CIMFS] / min(others)
        return f"{'yes' if ratio <= self.at_most else 'NO'} ({format_ratio(ratio)})"


@dataclass(frozen=True)
class Limit:
    """At most `seconds`."""

    seconds: float

    def __str__(self) -> str:
        return f"{self.seconds * 1000:g} ms"

    def reached(self, medians: dict[str, float]) -> str | None:
        if CIMFS not in medians:
            return None
        return "yes" if medians[CIMFS] <= self.seconds else "NO"


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    targets: tuple[Ratio | Limit, ...]


def erofs(at_most: float) -> Ratio:
    return Ratio(at_most, ("erofs",))


def best_fuse(at_most: float) -> Ratio:
    return Ratio(at_most, ("squashfuse_ll", "erofsfuse", "wimmount"))


READING_ROWS = (
    Row("mount", "mount until the first ls", (Limit(0.020),)),
    Row("walk", "walk, cold", (erofs(0.5), best_fuse(0.4))),
    Row("walk-warm", "walk, warm", (erofs(1.05), best_fuse(0.4))),
    Row("list", "long listing, cold", ()),
    Row("list-warm", "long listing, warm", ()),
    Row("read", "read every file, cold", (erofs(0.7), best_fuse(0.4))),
    Row("read-warm", "read every file, warm", (erofs(1.05), best_fuse(0.4))),
    Row("read-shuffled", "read in random order, cold", (erofs(1.1), best_fuse(0.4))),
    Row("sequential", "2 GB file in order, cold", (Ratio(1.1, ("directory",)), best_fuse(1.0))),
    Row("random-1", "2 GB file, random 4 KiB, cold", (erofs(1.1), best_fuse(1.0))),
    Row("random-4", "the same with 4 threads", (erofs(1.1), best_fuse(1.0))),
)
CREATE_ROW = Row(
    "create", "build an image, sources cached", (Ratio(1.0, ("tar",)), Ratio(0.6, ("mkfs.erofs",)))
)
ADD_ROW = Row("add", "add a file to a million", (Ratio(0.01, ("rebuild",)),))
COMMIT_ROW = Row("commit", "commit 100 of a million files", (Ratio(0.02, ("rebuild",)),))

# One table each.
TABLES = (READING_ROWS, (CREATE_ROW,), (ADD_ROW, COMMIT_ROW))
ROWS = tuple(row for table in TABLES for row in table)


def medians_of(samples: dict[str, list[float]]) -> dict[str, float]:
    return {peer: median(seconds) for peer, seconds in samples.items()}
