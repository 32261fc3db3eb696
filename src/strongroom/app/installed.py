"""Engines and auth methods that other Python packages bring.

An entry point of the group `strongroom.engines` or `strongroom.auth` names an `Engine` or a `Backend`. Nobody's
replaces one of ours; one that cannot be loaded is logged and left out, and its mounts answer that their type is not
installed.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from strongroom.api.backend import Backend, backend
from strongroom.api.routes import Engine

log = logging.getLogger("strongroom.core")

#: By the kind of what its entry points name.
GROUPS: Final = {"secret": "strongroom.engines", "auth": "strongroom.auth"}

_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def installed(known: Iterable[Backend]) -> list[Backend]:
    """The backends of other packages; `known` are those that are built in."""
    rows = list(known)
    taken = {(row.kind, name) for row in rows for name in (row.type, *row.aliases)}
    # What the server mounts itself has its name to itself, as every kind.
    taken |= {(kind, row.type) for row in rows if not row.mountable for kind in GROUPS}
    found = []
    for kind, group in GROUPS.items():
        for point in _points(group, tuple(sys.path)):
            try:
                row = _load(point, kind)
                names = {(kind, name) for name in (row.type, *row.aliases)}
                if names & taken:
                    raise ValueError(f"there is a type named {row.type} already")
            except Exception:
                log.exception("the entry point %s of the group %s is left out", point.name, group)
                continue
            taken |= names
            found.append(row)
            log.info("the %s type %s comes from %s", kind, row.type, point.value)
    return found


@lru_cache(maxsize=len(GROUPS))
def _points(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """The entry points of a group, by name; reading those of every package takes milliseconds."""
    return tuple(sorted(entry_points(group=group), key=lambda point: (point.name, point.value)))


def _load(point: EntryPoint, kind: str) -> Backend:
    offered = point.load()
    row = backend(offered) if isinstance(offered, Engine) else offered
    if not isinstance(row, Backend) or row.kind != kind:
        raise TypeError(f"it names neither an Engine nor a Backend of the kind {kind}")
    for name in (row.type, *row.aliases):
        if not _TYPE.fullmatch(name):
            raise ValueError("its type is no name: small letters, digits, and . _ - within")
    version = f"v{point.dist.version}" if point.dist is not None else "v0"
    # The core itself is for ours alone.
    return replace(row, version=version, mountable=True, privileged=False)
