"""The catalog: which types of mounts there are. Built-ins and third parties come in the same way."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from strongroom.api.backend import Backend
from strongroom.api.messages import Operation
from strongroom.api.routes import Engine
from strongroom.errors import BadRequest, Unavailable

log = logging.getLogger("strongroom.core")


class Catalog:
    """Backends by kind ("secret", "auth", "system") and type."""

    def __init__(self, backends: Iterable[Backend]) -> None:
        self._backends: dict[tuple[str, str], Backend] = {}
        for backend in backends:
            for name in (backend.type, *backend.aliases):
                self._backends[backend.kind, name] = backend

    def get(self, kind: str, type_: str) -> Backend | None:
        """The backend of a type or alias."""
        return self._backends.get((kind, type_))

    def of(self, kind: str, type_: str) -> Backend:
        """The backend of a stored mount; for a type that is not installed, one that refuses every request."""
        return self.get(kind, type_) or self.get("system", type_) or _missing(kind, type_)

    def find(self, kind: str, type_: str) -> Backend:
        """The backend of a type or alias that somebody wants to mount; `BadRequest` when there is none."""
        found = self._backends.get((kind, type_))
        if found is None:
            known = ("system", type_) in self._backends
            raise BadRequest(
                f'mount type of "{type_}" is not mountable' if known else f"plugin not found in the catalog: {type_}"
            )
        if not found.mountable:
            raise BadRequest(f'mount type of "{type_}" is not mountable')
        return found

    def names(self, kind: str) -> list[str]:
        """The types that can be mounted, sorted, without aliases."""
        return sorted(b.type for (k, name), b in self._backends.items() if k == kind and b.mountable and name == b.type)


def _missing(kind: str, type_: str) -> Backend:
    """Stands for a type that was taken away: its mounts keep their paths and data until it is back."""
    log.error("the mount type %s is not installed: its mounts cannot be served", type_)
    engine: Engine[Any] = Engine(type_, kind=kind, help="The type of this mount is not installed on this server.")

    def refuse(path: str, operation: Operation) -> Exception:
        return Unavailable(f'the mount type "{type_}" is not installed on this server')

    engine.unknown_path = refuse
    return Backend(type=type_, kind=kind, choose=lambda _: engine)
