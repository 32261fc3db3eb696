"""The token method's engine; auth/token.py and auth/token_roles.py declare their routes on it."""

from __future__ import annotations

from strongroom.api.routes import Engine
from strongroom.core.context import SystemContext

token: Engine[SystemContext] = Engine("token", kind="auth", help="Tokens: what every other method ends in.")
