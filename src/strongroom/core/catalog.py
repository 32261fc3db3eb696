"""The catalog: which types of mounts there are. Built-ins and third parties come in the same way."""

from __future__ import annotations

from collections.abc import Iterable

from strongroom.api.backend import Backend
from strongroom.errors import BadRequest


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
