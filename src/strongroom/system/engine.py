"""The system backend's engine; the modules of this folder declare their routes on it."""

from __future__ import annotations

from strongroom.api.routes import Engine
from strongroom.core.context import SystemContext

system: Engine[SystemContext] = Engine("system", kind="system", help="The system backend: the server's own settings.")
