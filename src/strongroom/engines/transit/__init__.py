"""Transit: encryption as a service. Importing the modules below declares their routes."""

from __future__ import annotations

from typing import Final

from strongroom.api.backend import Backend, backend
from strongroom.engines.transit import (
    backup,
    certificates,
    crypt,
    export,
    imports,
    keys,
    macs,
    rotation,
    signing,
    tools,
    wrapping,
)
from strongroom.engines.transit.engine import transit

BACKEND: Final[Backend] = backend(transit)

__all__ = [
    "BACKEND",
    "backup",
    "certificates",
    "crypt",
    "export",
    "imports",
    "keys",
    "macs",
    "rotation",
    "signing",
    "tools",
    "transit",
    "wrapping",
]
