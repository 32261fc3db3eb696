"""KV version 2. Importing the modules below declares their routes."""

from __future__ import annotations

from strongroom.engines.kv.v2 import config, data, metadata, stale, subkeys, transfer, versions
from strongroom.engines.kv.v2.engine import kv2

__all__ = ["config", "data", "kv2", "metadata", "stale", "subkeys", "transfer", "versions"]
