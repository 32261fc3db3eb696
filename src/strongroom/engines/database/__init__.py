"""The database secrets engine: users that are made on demand and removed with their leases, and passwords that only
the server knows. Which databases there are is the plugins' business (strongroom.databases)."""

from __future__ import annotations

from typing import Any, Final

from strongroom.api.backend import Backend, backend
from strongroom.api.routes import Engine
from strongroom.databases import plugins, version_of
from strongroom.engines.database import check, config, creds, roles, static, upkeep
from strongroom.engines.database.engine import database

__all__ = ["BACKEND", "PLUGIN_BACKENDS", "check", "config", "creds", "roles", "static", "upkeep"]

BACKEND: Final[Backend] = backend(database)


def _listed(name: str) -> Backend:
    engine: Engine[Any] = Engine(name, kind="database", help="Serves the connections of a database mount.")
    return backend(engine, version=version_of(name))


#: The plugins as the catalog lists them; none of them can be mounted, for no mount is of their kind.
PLUGIN_BACKENDS: Final[tuple[Backend, ...]] = tuple(_listed(name) for name in sorted(plugins()))
