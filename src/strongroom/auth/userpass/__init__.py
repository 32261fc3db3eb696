"""userpass: people log in with a name and a password. Source: Vault's userpass documentation and recorded answers."""

from __future__ import annotations

from typing import Final

from strongroom.api.backend import Backend, backend
from strongroom.auth.userpass import doctor, login, users
from strongroom.auth.userpass.engine import userpass

__all__ = ["BACKEND", "doctor", "login", "userpass", "users"]

BACKEND: Final[Backend] = backend(userpass)
