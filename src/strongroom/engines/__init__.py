"""Secret engines. `BACKENDS` is what they offer to the catalog, in the way third parties' engines do."""

from __future__ import annotations

from strongroom.api.backend import Backend
from strongroom.engines import cubbyhole, database, kv, totp, transit

BACKENDS: tuple[Backend, ...] = (
    kv.BACKEND,
    cubbyhole.BACKEND,
    transit.BACKEND,
    totp.BACKEND,
    database.BACKEND,
    *database.PLUGIN_BACKENDS,
)
