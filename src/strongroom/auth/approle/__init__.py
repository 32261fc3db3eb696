"""AppRole: machines log in with the name of a role that is no secret and a secret id that is.

Source: Vault's AppRole documentation and recorded answers. `model.py` draws what is stored.
"""

from __future__ import annotations

from typing import Final

from strongroom.api.backend import Backend, backend
from strongroom.auth.approle import doctor, fields, login, roles, search, secret_ids, tidy
from strongroom.auth.approle.engine import approle

__all__ = ["BACKEND", "approle", "doctor", "fields", "login", "roles", "search", "secret_ids", "tidy"]

BACKEND: Final[Backend] = backend(approle)
