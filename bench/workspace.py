"""A temporary directory, and mounts within it, that do not outlive the benchmark."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from machine import Failure, run

PATIENCE = 10.0  # seconds to wait for daemons to start or end
POLL = 0.0005


@contextmanager
def workspace(parent: Path) -> Iterator[Path]:
    """A new directory in `parent`, removed at the end, also when the benchmark is interrupted."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    directory = Path(tempfile.mkdtemp(prefix="cimfs-bench-", dir=parent)).resolve()
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


@contextmanager
def mounted(command: Sequence[str], mount_point: Path) -> Iterator[float]:
    """
    Mounts something on `mount_point` with `command`. Yields the seconds that passed until the root
    had been listed.
    """
    mount_point.mkdir(exist_ok=True)
    try:
        start = time.perf_counter()
        run(command)
        while not os.path.ismount(mount_point):  # some daemons return before that
            if time.perf_counter() - start > PATIENCE:
                raise Failure(f"{' '.join(command)}: nothing is mounted")
            time.sleep(POLL)
        run(["ls", str(mount_point)])
        yield time.perf_counter() - start
    finally:
        unmount(mount_point)


def unmount(mount_point: Path) -> None:
    """
    Unmounts what is mounted and waits for its daemon to end: dropping caches does not drop what a
    process has mapped. A mount that is still busy, as after an interrupt, is detached.
    """
    if not os.path.ismount(mount_point):
        return
    plain = subprocess.run(["umount", mount_point], capture_output=True, check=False)
    if plain.returncode != 0:
        run(["umount", "--lazy", str(mount_point)])
        return
    start = time.perf_counter()
    while daemons(mount_point):
        if time.perf_counter() - start > PATIENCE:
            raise Failure(f"{mount_point}: is unmounted, but its daemon does not end")
        time.sleep(POLL)


def daemons(mount_point: Path) -> list[Path]:
    """The /proc/PID of the processes whose arguments name `mount_point`."""
    found = []
    for command_line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if os.fsencode(mount_point) in command_line.read_bytes().split(b"\0"):
                found.append(command_line.parent)
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
    return found


def directory_bytes(directory: Path) -> int:
    """The total size of the files in `directory`."""
    return sum(path.lstat().st_size for path in directory.rglob("*") if path.is_file())
