"""MySQL and MariaDB."""

from __future__ import annotations

from typing import Final

from strongroom.databases.plugin import Plugin

PLUGINS: Final[tuple[Plugin, ...]] = ()
