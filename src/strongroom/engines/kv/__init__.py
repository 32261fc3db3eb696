"""Key and value: secrets that are stored and read, without versions (1) or with them (2)."""

from __future__ import annotations

from typing import Final

from strongroom.api.backend import Backend, Options
from strongroom.api.context import Context
from strongroom.api.routes import Engine
from strongroom.engines.kv.upgrade import upgrade
from strongroom.engines.kv.v1 import kv1
from strongroom.engines.kv.v2 import kv2
from strongroom.errors import BadRequest

VERSIONS: Final[dict[str, Engine[Context]]] = {"1": kv1, "2": kv2}


def choose(options: Options) -> Engine[Context]:
    """The engine of a mount: version 1 where none is named."""
    return VERSIONS[options.get("version") or "1"]


def prepare(options: Options) -> dict[str, str]:
    """Check a mount's options; raises `BadRequest` for a version that there is not."""
    if (options.get("version") or "1") not in VERSIONS:
        raise BadRequest('kv: options.version must be "1" or "2"')
    return dict(options)


BACKEND: Final = Backend(
    type="kv",
    kind="secret",
    choose=choose,
    prepare=prepare,
    aliases={"kv-v1": {"version": "1"}, "kv-v2": {"version": "2"}},
    upgrade=upgrade,
)
