"""The machine: its caches, its programs, and what is worth noting about it."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

# The programs that are measured. Only images and trees are cold, not these.
PROGRAMS = (
    "bash", "cat", "cim", "cimfs", "dd", "erofsfuse", "find", "fio", "ls", "mount", "squashfuse_ll",
    "umount", "wimmount", "xargs",
)  # fmt: skip

PACKAGES = (
    "erofs-utils", "erofsfuse", "fio", "libfuse3-3", "python3-matplotlib", "squashfs-tools",
    "squashfuse", "tar", "wimtools",
)  # fmt: skip


class Failure(Exception):
    """The reason why a benchmark ends early, in words for the user."""


def run(command: Sequence[str], cwd: Path | None = None) -> str:
    """Runs `command` and returns its standard output. Raises Failure if it fails."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, errors="surrogateescape", check=False
    )
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr.strip()}")
    return done.stdout


def timed(command: Sequence[str], cwd: Path | None = None) -> float:
    """Runs `command`, discards its output, and returns the seconds that it took."""
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
    )
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: exit status {done.returncode}\n{done.stderr.strip()}")
    return seconds


@cache
def files_of_programs() -> frozenset[Path]:
    """The programs that are installed, and the shared libraries that they load."""
    files: set[Path] = set()
    for program in PROGRAMS:
        path = shutil.which(program)
        if path is None:
            continue
        files.add(Path(path))
        linked = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
        files.update(Path(library) for library in re.findall(r"(/\S+) \(0x", linked))
    return frozenset(files)



def drop_caches() -> None:
    """Makes everything cold except the programs."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3\n")
    for file in files_of_programs():
        file.read_bytes()


def use_build(build: Path) -> None:
    """Puts the programs of the build directory `build` first in $PATH."""
    cim, cimfs = build / "src/cli/cim", build / "fuse/cimfs"
    for program in (cim, cimfs):
        if not program.exists():
            raise Failure(f"{program}: not built")
    os.environ["PATH"] = os.pathsep.join(
        [str(cim.parent.absolute()), str(cimfs.parent.absolute()), os.environ["PATH"]]
    )


def require_root() -> None:
    if os.geteuid() != 0:
        raise Failure("Dropping caches and mounting loop devices need root; run this with sudo.")


def installed_packages() -> dict[str, str]:
    """The versions of those of PACKAGES that are installed."""
    listed = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${Version} ${db:Status-Status}\n",
         *PACKAGES],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    fields = [line.split() for line in listed.splitlines()]
    return {field[0]: field[1] for field in fields if field[-1] == "installed"}


def description(directory: Path) -> dict[str, object]:
    """The machine, and the file system of `directory`."""
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return {
        "cpu": cpu[1] if cpu else "unknown",
        "cores": os.cpu_count(),
        "memory_kib": int(memory[1]) if memory else 0,
        "kernel": os.uname().release,
        "file_system": run(["findmnt", "-no", "FSTYPE", "--target", str(directory)]).strip(),
        "cimfs": run(["cim", "--version"]).strip(),
        "packages": installed_packages(),
    }
