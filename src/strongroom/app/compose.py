"""Everything behind the edge, wired: configuration → `Core`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Final

from strongroom import identity
from strongroom.api.backend import Backend, backend
from strongroom.api.messages import Operation, Request, Response
from strongroom.api.routes import Route
from strongroom.app.installed import installed
from strongroom.auth.methods import METHODS
from strongroom.auth.token import token
from strongroom.clock import Clock
from strongroom.config import ServerConfig
from strongroom.core.catalog import Catalog
from strongroom.core.core import Core
from strongroom.core.mounts import MountConfig
from strongroom.engines import BACKENDS
from strongroom.pipeline import handle
from strongroom.storage import Storage, open_storage
from strongroom.system import system

#: What every server has from the start; nobody can mount, move or remove these.
OWN: Final[tuple[Backend, ...]] = (
    backend(system, mountable=False, privileged=True),
    backend(token, mountable=False, privileged=True),
    identity.BACKEND,
)
DEFAULT_MOUNTS: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "path": "sys/",
        "type_": "system",
        "kind": "system",
        "description": "system endpoints used for control, policy and debugging",
        "seal_wrap": True,
        "config": MountConfig(passthrough_request_headers=("Accept",)),
    },
    {
        "path": "cubbyhole/",
        "type_": "cubbyhole",
        "kind": "secret",
        "description": "per-token private secret storage",
        "local": True,
    },
    {
        "path": "identity/",
        "type_": "identity",
        "kind": "secret",
        "description": "identity store",
        "config": MountConfig(passthrough_request_headers=("Authorization",)),
    },
    {"path": "auth/token/", "type_": "token", "kind": "auth", "description": "token based credentials"},
)


def build_core(config: ServerConfig, *, clock: Clock | None = None, storage: Storage | None = None) -> Core:
    """Everything behind the edge; it is sealed."""
    ours = (*BACKENDS, *METHODS, *OWN)
    return Core(
        config=config,
        storage=storage or open_storage(config.storage.type, config.storage.settings, clock),
        catalog=Catalog((*ours, *installed(ours))),
        default_mounts=DEFAULT_MOUNTS,
        always={"sys/": system},
        clock=clock,
    )


async def handle_with(core: Core, request: Request) -> Response:
    """Answer one request."""
    return await handle(core, request)


def streams(operation: Operation, path: str) -> bool:
    """Whether a request's body is handed to its handler in chunks, unparsed."""
    if not path.startswith("sys/"):
        return False
    return any(route.operation is operation and route.regex.fullmatch(path[4:]) for route in _streamed())


@functools.cache
def _streamed() -> tuple[Route, ...]:
    return tuple(route for route in system.routes if route.flags.raw_body)
