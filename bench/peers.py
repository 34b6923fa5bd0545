"""What cimfs is compared with: image formats, and the programs that make and mount them."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

CIMFS = "cimfs"  # its name as a peer and as a builder


@dataclass(frozen=True)
class Builder:
    """Makes an image, or an archive, of a directory."""

    name: str
    package: str
    command: tuple[str, ...]  # with {source} and {image}

    def missing(self) -> str | None:
        """What must be installed first."""
        return None if shutil.which(self.command[0]) else f"Debian package {self.package}"

    def command_for(self, source: Path, image: Path) -> list[str]:
        return [word.format(source=source, image=image) for word in self.command]


@dataclass(frozen=True)
class Peer:
    """A file system. One without a builder is the plain directory."""

    name: str
    package: str
    builder: Builder | None = None
    command: tuple[str, ...] = ()  # with {image} and {mount}
    kernel_file_system: str | None = None  # that the kernel must support

    def missing(self) -> str | None:
        """What this machine lacks for it."""
        if self.builder is None:
            return None
        if shutil.which(self.command[0]) is None:
            return f"Debian package {self.package}"
        if self.kernel_file_system and not kernel_knows(self.kernel_file_system):
            return f"a kernel with {self.kernel_file_system}"
        return self.builder.missing()

    def command_for(self, image: Path, mount_point: Path) -> list[str]:
        return [word.format(image=image, mount=mount_point) for word in self.command]


def kernel_knows(file_system: str) -> bool:
    if shutil.which("modprobe"):
        subprocess.run(["modprobe", "--quiet", file_system], capture_output=True, check=False)
    names = Path("/proc/filesystems").read_text().split()
    return file_system in names


CIM = Builder(CIMFS, "cimfs", ("cim", "create", "{image}", "{source}"))
TAR = Builder("tar", "tar", ("tar", "-cf", "{image}", "-C", "{source}", "."))
# Like cim, ends only when the data is on the disk.
TAR_SYNCED = Builder(
    "tar, synced", "tar", ("bash", "-c", "tar -cf {image} -C {source} . && sync {image}")
)
EROFS = Builder("mkfs.erofs", "erofs-utils", ("mkfs.erofs", "--quiet", "{image}", "{source}"))
SQUASHFS = Builder(
    "mksquashfs",
    "squashfs-tools",
    ("mksquashfs", "{source}", "{image}", "-noI", "-noD", "-noF", "-noX", "-quiet", "-no-progress"),
)
WIM = Builder(
    "wimcapture",
    "wimtools",
    ("wimcapture", "{source}", "{image}", "--compress=none", "--unix-data", "--norpfix"),
)

BUILDERS = (CIM, TAR, TAR_SYNCED, EROFS, SQUASHFS, WIM)

PEERS = (
    Peer(CIMFS, "cimfs", CIM, ("cimfs", "{image}", "{mount}")),
    Peer("erofs", "erofs-utils", EROFS,
         ("mount", "-t", "erofs", "-o", "loop,ro", "{image}", "{mount}"), "erofs"),
    Peer("squashfs", "squashfs-tools", SQUASHFS,
         ("mount", "-t", "squashfs", "-o", "loop,ro", "{image}", "{mount}"), "squashfs"),
    Peer("squashfuse_ll", "squashfuse", SQUASHFS, ("squashfuse_ll", "{image}", "{mount}")),
    Peer("erofsfuse", "erofsfuse", EROFS, ("erofsfuse", "{image}", "{mount}")),
    Peer("wimmount", "wimtools", WIM, ("wimmount", "{image}", "{mount}", "--unix-data")),
    Peer("directory", "coreutils"),
)  # fmt: skip
