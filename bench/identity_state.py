"""Fills a server's identity store with people who have an alias at each of two auth methods.

`python -m bench.identity_state FOLDER` reads its order as JSON from stdin, in a process of its own as
bench.lease_state is.
"""

from __future__ import annotations

import asyncio
import gc
import json
import pathlib
import subprocess
import sys

from msgspec.structs import replace

from bench.state import Rows, opened
from strongroom.core.identity_entities import new_alias, new_entity, put_entity

#: The mounts at which everybody has an alias.
MOUNTS = ("auth/jwt/", "auth/userpass/")


def person(n: int) -> str:
    """What the methods call somebody."""
    return f"person-{n}@example.com"


async def work(folder: pathlib.Path, key: str, count: int) -> None:
    """Make so many entities."""
    core = await opened(folder, key)
    try:
        live = core.live
        assert live is not None
        mounts = [live.mounts.by_path(path) for path in MOUNTS]
        gc.disable()
        identity, rows, now = live.identity, Rows(), live.clock.now_ns()
        for n in range(count):
            entity = await new_entity(identity.salt, rows, now, f"Person {n}")  # type: ignore[arg-type]
            aliases = tuple(
                new_alias(now, person(n), mount.info.accessor, identity.factor(mount, person(n)))
                for mount in mounts
                if mount is not None
            )
            entity = replace(entity, aliases=aliases, metadata={"team": f"team-{n % 100}"})
            await put_entity(identity.salt, rows, None, entity)  # type: ignore[arg-type]
        await rows.write(live)
    finally:
        await core.close()


def fill(folder: pathlib.Path, key: str, count: int) -> None:
    """Have another process do it."""
    order = json.dumps({"key": key, "count": count})
    subprocess.run([sys.executable, "-m", "bench.identity_state", str(folder)], input=order, text=True, check=True)


if __name__ == "__main__":
    asyncio.run(work(pathlib.Path(sys.argv[1]), **json.load(sys.stdin)))
