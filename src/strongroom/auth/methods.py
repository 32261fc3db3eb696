"""`METHODS`: the auth methods that can be enabled."""

from __future__ import annotations

from typing import Final

from strongroom.api.backend import Backend
from strongroom.auth import approle, cert, jwt, kubernetes, userpass

METHODS: Final[tuple[Backend, ...]] = (
    approle.BACKEND,
    cert.BACKEND,
    *jwt.BACKENDS,
    kubernetes.BACKEND,
    userpass.BACKEND,
)
