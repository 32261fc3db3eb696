"""Time-based one-time passwords."""

from __future__ import annotations

from typing import Final

from strongroom.api.backend import Backend, backend
from strongroom.engines.totp.engine import totp

BACKEND: Final[Backend] = backend(totp)

__all__ = ["BACKEND", "totp"]
