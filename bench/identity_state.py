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
from typing import Any

from msgspec.structs import replace

from bench.state import Rows, opened
from strongroom.core.identity_entities import new_alias, new_entity, put_entity

#: The role that people log in with.
ROLE = "person"


def known(name: str) -> dict[str, dict[str, str]]:
    """The mounts at which everybody has an alias, each with the metadata that somebody's last login left there."""
    return {"auth/jwt/": {"role": ROLE}, "auth/userpass/": {"username": name}}


def person(n: int) -> str:
    """What the methods call somebody."""
    return f"person-{n}@example.com"


async def work(folder: pathlib.Path, key: str, count: int) -> None:
    """Make so many entities."""
    core = await opened(folder, key)
    try:
        live = core.live
        assert live is not None
        gc.disable()
        identity, rows, now = live.identity, Rows(), live.clock.now_ns()
        tx: Any = rows
        for n in range(count):
            aliases = []
            for path, metadata in known(person(n)).items():
                mount = live.mounts.by_path(path)
                assert mount is not None
                alias = new_alias(now, person(n), mount.info.accessor, identity.factor(mount, person(n)))
                aliases.append(replace(alias, metadata=metadata))
            entity = await new_entity(identity.salt, tx, now, f"Person {n}")
            entity = replace(entity, aliases=tuple(aliases), metadata={"team": f"team-{n % 100}"})
            await put_entity(identity.salt, tx, None, entity)
        await rows.write(live)
    finally:
        await core.close()


def fill(folder: pathlib.Path, key: str, count: int) -> None:
    """Have another process do it."""
    order = json.dumps({"key": key, "count": count})
    subprocess.run([sys.executable, "-m", "bench.identity_state", str(folder)], input=order, text=True, check=True)


if __name__ == "__main__":
    asyncio.run(work(pathlib.Path(sys.argv[1]), **json.load(sys.stdin)))
