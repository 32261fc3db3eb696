"""`python -m bench.outside ARGS`: the server with one more engine, whose credentials exist where nothing costs."""

from __future__ import annotations

import sys
from typing import Any

from strongroom.api.backend import backend
from strongroom.api.routes import Engine
from strongroom.app import compose
from strongroom.cli.main import main

TYPE = "outside"

engine: Engine[Any] = Engine(TYPE, help="Credentials of a world that costs nothing.")


@engine.revoke("creds")
async def revoke(ctx: Any, data: dict[str, Any]) -> None:
    """Nothing to undo: what is measured is the server's own part."""


def install() -> None:
    """Let servers of this process know the engine."""
    if all(row.type != TYPE for row in compose.BACKENDS):
        compose.BACKENDS = (*compose.BACKENDS, backend(engine))


if __name__ == "__main__":
    install()
    sys.exit(main())
