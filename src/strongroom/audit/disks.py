"""Whether a file lies on a disk of this machine, or where its server can go away."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

MOUNTS: Final = Path("/proc/self/mountinfo")

#: Types of file systems that talk to somebody else; those in user space do so more often than not.
_REMOTE: Final = re.compile(
    r"nfs\d?|cifs|smb\w*|ncpfs|afs|coda|9p|virtiofs|ceph|lustre|glusterfs|gpfs|orangefs|fuse(\..+)?"
)


def remote(fd: int) -> bool:
    """Whether the file's system is another machine's, as far as the kernel tells (Linux's proc(5), mountinfo)."""
    device = os.fstat(fd).st_dev
    name = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = MOUNTS.read_text(errors="replace").splitlines()
    except OSError:
        return False
    for line in lines:
        before, _, after = line.partition(" - ")
        if before.split(" ")[2:3] == [name]:
            return _REMOTE.fullmatch(after.split(" ")[0]) is not None
    return False
