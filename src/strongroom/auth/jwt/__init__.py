"""JWT and OIDC: whoever an issuer vouches for logs in, with a token that he has or by way of a browser.

Sources: Vault's documentation of the method, OpenID Connect Core and Discovery 1.0, RFC 7636 (PKCE), and recorded
answers. `engine.py` draws what is stored.
"""

from __future__ import annotations

from typing import Final

from strongroom.api.backend import Backend, backend
from strongroom.auth.jwt import config, device, doctor, login, oidc, roles
from strongroom.auth.jwt.engine import jwt

__all__ = ["BACKENDS", "config", "device", "doctor", "jwt", "login", "oidc", "roles"]

#: The same method under two names, as in Vault.
BACKENDS: Final[tuple[Backend, ...]] = (backend(jwt), Backend(type="oidc", kind="auth", choose=lambda _: jwt))
