"""AppRole's engine; the other modules declare their routes on it."""

from __future__ import annotations

from strongroom.api.context import Context
from strongroom.api.routes import Engine

approle: Engine[Context] = Engine(
    "approle", kind="auth", help="Machines log in with a role id, which is no secret, and a secret id, which is."
)
