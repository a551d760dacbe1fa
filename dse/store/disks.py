"""File systems that SQLite's locks are not to be relied on."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from dse.errors import StoreError

ALLOWED = "DSE_SQLITE_ON_NETWORK"
MOUNTS = Path("/proc/self/mountinfo")
# As the kernel names them; SQLite's own page on its log (sqlite.org/wal.html, "All processes using a database
# must be on the same host computer") holds for each.
NETWORK = {
    "afs", "beegfs", "ceph", "cifs", "fuse.ceph", "fuse.glusterfs", "fuse.sshfs", "gpfs", "lustre",
    "nfs", "nfs4", "orangefs", "panfs", "pvfs2", "smb3", "smbfs", "wekafs",
}  # fmt: skip


def file_system(path: Path) -> str:
    """Return the kind of the file system that a path is, or would be, on; nothing where it is not known."""
    place = os.path.realpath(path)
    found, longest = "", -1
    with suppress(OSError):
        for line in MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines():
            before, _, after = line.partition(" - ")
            mount = before.split()[4].encode().decode("unicode_escape")  # spaces are written as octal numbers
            inside = place == mount or place.startswith(mount.rstrip("/") + "/")
            if inside and len(mount) >= longest:
                found, longest = after.split()[0], len(mount)
    return found


def is_shared(path: Path) -> bool:
    """Return whether a path is on a file system that other machines may have as well."""
    return file_system(path) in NETWORK


def check_local(path: Path) -> None:
    """Raise `StoreError` for a path on a network file system, unless the user answers for it."""
    if is_shared(path) and os.environ.get(ALLOWED, "") != "1":
        raise StoreError(
            f"store {str(path)!r} is on a network file system ({file_system(path)}), where SQLite's locks "
            f"are not to be relied on: use a local disk, or postgresql://; with {ALLOWED}=1 it is taken, for "
            "one process at a time"
        )
