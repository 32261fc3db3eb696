"""Fills a server's storage with leases and tokens, entry for entry as a server would have written them.

`python -m bench.lease_state FOLDER` reads its orders as JSON from stdin. It is a process of its own, so that what it
holds is gone before anything is measured.
"""

from __future__ import annotations

import asyncio
import gc
import json
import pathlib
import subprocess
import sys
from typing import Any

from bench import outside
from bench.state import Rows, opened
from strongroom.clock import random_text
from strongroom.core.lease_model import LeaseEntry
from strongroom.core.lease_store import LeaseStore
from strongroom.core.live import Live
from strongroom.core.token_model import TokenEntry

NANO = 1_000_000_000


class Filler:
    """Makes entries: as many tokens as leases, in turn."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.leases = LeaseStore(live)
        mount = live.mounts.by_path(f"{outside.TYPE}/")
        assert mount is not None
        self.mount = mount
        self.rows = Rows()
        self.made = 0

    def add(self, owner: str, expire_ns: int) -> None:
        """A token, or a lease that the token `owner` took."""
        now = self.live.clock.now_ns()
        tx: Any = self.rows
        if self.made % 2:
            lease = LeaseEntry(
                id=f"{outside.TYPE}/creds/app/{random_text(24)}",
                kind="creds",
                token=owner,
                mount=self.mount.info.uuid,
                mount_path=self.mount.info.path,
                path=f"{outside.TYPE}/creds/app",
                issue_ns=now,
                expire_ns=expire_ns,
                ttl=max(1, (expire_ns - now) // NANO),
                renewable=True,
                data={"username": f"v-app-{random_text(16)}", "role": "app"},
            )
            self.leases.add(tx, lease)
            self.leases.confirm(tx, lease.id)
        else:
            ttl = max(1, (expire_ns - now) // NANO)
            self.live.tokens.store.issue(
                tx,
                TokenEntry(
                    key="",
                    accessor="",
                    path="auth/approle/login",
                    policies=("bench-app", "default"),
                    creation_ns=now,
                    display_name="approle",
                    meta={"role_name": "app"},
                    ttl=ttl,
                    last_ttl=ttl,
                    expire_ns=expire_ns,
                    renewable=True,
                    mount="auth/approle/",
                ),
            )
        self.made += 1


async def work(folder: pathlib.Path, orders: list[dict[str, Any]], key: str, owner: str) -> None:
    """Carry out orders: `count` entries that end evenly spread from `first` to `last`, seconds from the order on."""
    core = await opened(folder, key)
    try:
        live = core.live
        assert live is not None
        entry = await live.tokens.lookup(owner)
        assert entry is not None
        gc.disable()
        for order in orders:
            filler = Filler(live)
            begins = live.clock.now_ns()
            first, last, count = order["first"], order["last"], order["count"]
            for n in range(count):
                at = first + (last - first) * n / count
                filler.add(entry.key, begins + int(at * NANO))
            await filler.rows.write(live)
            print(json.dumps({"began": begins / NANO}), flush=True)
    finally:
        await core.close()


def fill(folder: pathlib.Path, orders: list[dict[str, Any]], key: str, owner: str) -> list[float]:
    """Have another process do it; returns the Unix time from which each order's seconds count."""
    orders_text = json.dumps({"orders": orders, "key": key, "owner": owner})
    done = subprocess.run(
        [sys.executable, "-m", "bench.lease_state", str(folder)],
        input=orders_text,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [json.loads(line)["began"] for line in done.stdout.splitlines()]


if __name__ == "__main__":
    given = json.load(sys.stdin)
    asyncio.run(work(pathlib.Path(sys.argv[1]), given["orders"], given["key"], given["owner"]))
