"""The engine that the other modules declare their routes on."""

from __future__ import annotations

from typing import Final

from strongroom.api.context import Context
from strongroom.api.messages import Operation
from strongroom.api.routes import Engine
from strongroom.errors import NotFound

#: What endpoints begin with; alone they are no path.
ROOTS: Final = frozenset(("data", "metadata", "delete", "undelete", "destroy", "subkeys", "move", "copy", "stale"))

#: The command line's word for an operation.
COMMANDS: Final = {
    Operation.READ: "get",
    Operation.CREATE: "put",
    Operation.UPDATE: "put",
    Operation.PATCH: "patch",
    Operation.LIST: "list",
    Operation.DELETE: "delete",
}


def unknown_path(path: str, operation: Operation) -> Exception:
    """The 404 for a path that only version 1 would have, which is what most such requests were meant for."""
    if path in ROOTS:
        return NotFound(warnings=["Non-listing operations on the root of a K/V v2 mount are not supported."])
    warning = (
        "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. "
        f"If using the Vault CLI, use 'vault kv {COMMANDS.get(operation, 'get')}' for this operation."
    )
    return NotFound(warnings=[warning])


kv2: Engine[Context] = Engine(
    "kv",
    help="Secrets with versions: a write adds one, and older ones can be read, deleted, brought back and destroyed.",
)
kv2.unknown_path = unknown_path
