"""Database plugins: what makes, changes and removes users of one kind of database. They know nothing of the server.

Third parties offer theirs through the entry-point group `strongroom.databases`: each entry point names a `Plugin`.
Ours are the rows of `builtin.BUILT_IN`.
"""

from __future__ import annotations

import logging
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from strongroom.databases.builtin import BUILT_IN
from strongroom.databases.plugin import Plugin

log = logging.getLogger("strongroom.databases")

GROUP: Final = "strongroom.databases"


@cache
def plugins() -> dict[str, Plugin]:
    """All plugins by name. Nobody's replaces one of ours; one that cannot be loaded is logged and left out."""
    found = {plugin.name: plugin for plugin in BUILT_IN}
    for plugin, _ in _installed():
        found.setdefault(plugin.name, plugin)
    return found


def version_of(name: str) -> str:
    """The version of the package that a plugin comes from (`v1.2.0`); "" for one of ours."""
    if any(plugin.name == name for plugin in BUILT_IN):
        return ""
    found = next((point for plugin, point in _installed() if plugin.name == name), None)
    return f"v{found.dist.version}" if found is not None and found.dist is not None else "v0"


@cache
def _installed() -> list[tuple[Plugin, EntryPoint]]:
    found = []
    for point in entry_points(group=GROUP):
        try:
            plugin = point.load()
        except Exception:
            log.exception("the database plugin %s cannot be loaded", point.name)
            continue
        if isinstance(plugin, Plugin):
            found.append((plugin, point))
        else:
            log.error("the entry point %s of the group %s is not a Plugin", point.name, GROUP)
    return found
