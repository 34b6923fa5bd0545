"""Layers of containers for Windows: written as archives, and laid over each other.

Knows what hcsshim and go-winio do, and nothing of how cimfs does it.
"""

import base64
import copy
import dataclasses
import io
import struct
import tarfile

DIRECTORY = 0x10
REPARSE_POINT = 0x400
KEPT_ATTRIBUTES = 0x1 | 0x2 | 0x4 | 0x20 | 0x200
EPOCH = 116444736000000000  # 1970 as a FILETIME
OPEN_DESCRIPTOR = bytes([1, 0, 4, 0x80]) + bytes(16)

HIVES = {
    "SYSTEM": "SYSTEM_BASE",
    "SOFTWARE": "SOFTWARE_BASE",
    "SAM": "SAM_BASE",
    "SECURITY": "SECURITY_BASE",
    "DEFAULT": "DEFAULTUSER_BASE",
}


@dataclasses.dataclass
class Record:
    """A member of a layer. Times are strings of seconds, as in the archive."""

    path: str
    kind: str = "file"  # directory, symlink, junction, hard link, whiteout or opaque
    data: bytes = b""
    target: str = ""  # of a link of any kind
    attributes: int = None
    mtime: str = "1600000000"
    times: dict = dataclasses.field(default_factory=dict)  # LIBARCHIVE.creationtime, atime, ctime
    descriptor: bytes = None
    sddl: str = None  # stands for `descriptor`
    eas: dict = dataclasses.field(default_factory=dict)  # extended attributes
    streams: dict = dataclasses.field(default_factory=dict)
    long_streams: bool = False  # their names end with :$DATA


@dataclasses.dataclass
class File:
    """What a layer, or several, have at a path."""

    is_directory: bool
    data: bytes = b""
    attributes: int = 0
    times: list = None  # creation, last write, last access, change; None: not known
    descriptor: bytes = OPEN_DESCRIPTOR
    eas: dict = dataclasses.field(default_factory=dict)
    streams: dict = dataclasses.field(default_factory=dict)
    reparse_data: bytes = b""


def write(path, records):
    """Writes the archive of `records`, in their order."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for record in records:
            for member, data in members_of(record):
                archive.addfile(member, io.BytesIO(data))


def members_of(record):
    directory, _, name = record.path.rpartition("/")
    prefix = f"{directory}/" if directory else ""
    if record.kind == "whiteout":
        yield tarfile.TarInfo(f"{prefix}.wh.{name}"), b""
        return
    if record.kind == "opaque":
        yield tarfile.TarInfo(f"{record.path}/.wh..wh..opq"), b""
        return
    member = tarfile.TarInfo(record.path)
    if record.kind == "hard link":
        member.type, member.linkname = tarfile.LNKTYPE, record.target
        yield member, b""
        return
    member.pax_headers = pax_records(record)
    member.mode = 0
    if record.kind == "directory":
        member.type = tarfile.DIRTYPE
    elif record.kind in ("symlink", "junction"):
        member.type, member.linkname = tarfile.SYMTYPE, record.target
    else:
        member.size = len(record.data)
    yield member, record.data
    for stream, data in record.streams.items():
        member = tarfile.TarInfo(f"{record.path}:{stream}" + (":$DATA" if record.long_streams else ""))
        member.size = len(data)
        yield member, data


def pax_records(record):
    records = {"mtime": record.mtime, **record.times}
    if record.attributes is not None:
        records["MSWINDOWS.fileattr"] = str(record.attributes)
    if record.sddl is not None:
        records["MSWINDOWS.sd"] = record.sddl
    elif record.descriptor is not None:
        records["MSWINDOWS.rawsd"] = base64.b64encode(record.descriptor).decode()
    for name, value in record.eas.items():
        records[f"MSWINDOWS.xattr.{name}"] = base64.b64encode(value).decode()
    if record.kind == "junction":
        records["MSWINDOWS.mountpoint"] = "1"
    return records


def lay(tree, records):
    """What `records` make of the tree of the layers below: paths, with their parts separated by
    `/`, and a File, the same one for each of its names. Their case does not matter; a tree keeps
    one spelling."""
    is_base = not tree
    tree = dict(tree) or {"": File(True)}
    for record in records:
        if record.kind == "whiteout":
            remove(tree, record.path)
        elif record.kind == "opaque":
            for path in [path for path in tree if is_below(path, record.path)]:
                tree.pop(path, None)
    for record in records:
        if record.kind not in ("whiteout", "opaque"):
            add(tree, record)
    return with_hives(tree) if is_base else tree


def with_hives(tree):
    tree["Hives"] = File(True, times=[0] * 4)
    for name, second in HIVES.items():
        tree[f"Hives/{second}"] = tree[f"Files/Windows/System32/config/{name}"]
    tree["layout"] = File(False, b"vhd-with-hives\n", times=[0] * 4)
    return tree


def is_below(path, directory):
    return path.upper().startswith(directory.upper() + "/")


def spelling(tree, path):
    """The path in `tree` that Windows takes for `path`; None if there is none."""
    if path in tree:
        return path
    return next((known for known in tree if known.upper() == path.upper()), None)


def remove(tree, path):
    for known in [known for known in tree if known.upper() == path.upper() or is_below(known, path)]:
        del tree[known]


def add(tree, record):
    parts = record.path.split("/")
    for end in range(1, len(parts)):
        parent = "/".join(parts[:end])
        if spelling(tree, parent) is None:
            tree[parent] = File(True)
    known = spelling(tree, record.path)
    if record.kind == "hard link":
        file = tree[spelling(tree, record.target)]
        remove(tree, record.path)
        tree[record.path] = file
        return
    file = file_of(record)
    if known and file.is_directory and not file.reparse_data and tree[known].is_directory:
        file.streams = {**tree[known].streams, **file.streams}
        tree[known] = file
        return
    remove(tree, record.path)
    tree[record.path] = file


def file_of(record):
    attributes = record.attributes
    if attributes is None:
        attributes = DIRECTORY if record.kind == "directory" else 0
    reparse_data = b""
    if record.kind in ("symlink", "junction"):
        reparse_data = link(record.target, record.kind == "junction")
    is_directory = record.kind == "directory" or (bool(reparse_data) and bool(attributes & DIRECTORY))
    kept = attributes & KEPT_ATTRIBUTES
    kept |= DIRECTORY if is_directory else 0
    kept |= REPARSE_POINT if reparse_data else 0
    last_write = filetime(record.mtime)
    times = [last_write if key is None else filetime(record.times.get(key, record.mtime))
             for key in ("LIBARCHIVE.creationtime", None, "atime", "ctime")]
    return File(is_directory, record.data, kept, times, record.descriptor or OPEN_DESCRIPTOR,
                dict(record.eas), copy.copy(record.streams), reparse_data)


def filetime(seconds):
    negative = seconds.startswith("-")
    whole, _, fraction = seconds.lstrip("-").partition(".")
    nanoseconds = int(whole) * 10**9 + int(fraction.ljust(9, "0")[:9])
    return EPOCH + (-nanoseconds if negative else nanoseconds) // 100


def link(target, is_junction):
    """The REPARSE_DATA_BUFFER of a link."""
    shown = target.replace("/", "\\")
    if shown.startswith("\\\\?\\"):
        real = "\\??\\" + shown[4:]
    elif shown.startswith("\\\\"):
        real = "\\??\\UNC\\" + shown[2:]
    elif shown[1:2] == ":":
        real = "\\??\\" + shown
    else:
        real = shown
    names = [name.encode("utf-16-le") for name in (real, shown)]
    payload = struct.pack("<HHHH", 0, len(names[0]), len(names[0]) + 2, len(names[1]))
    if not is_junction:
        payload += struct.pack("<I", 1 if real == shown else 0)
    payload += b"".join(name + b"\0\0" for name in names)
    tag = 0xA0000003 if is_junction else 0xA000000C
    return struct.pack("<IHH", tag, len(payload), 0) + payload
