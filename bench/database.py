"""`python -m bench.database`: credentials made and revoked, beside a bare script that runs the same statements.

Both use as many connections to the same PostgreSQL, in turns, and both create a user, let it in a group, and drop it
with what it was granted. The server does beside that what it is there for: an ordinary token's policies, two audit
entries for each of two requests, a lease that is durable before the user is made, and its end.

With `--expire COUNT` as many leases fall due within a minute, whose users are really there, while others read secrets
and take credentials.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import pathlib
import secrets
import statistics
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import psycopg
from tests.support.databases import ADMIN, PASSWORD, PostgreSQL, started

from bench import report, servers

POOL = 4
CLIENTS = 16
TARGET = 0.75
GROUP = "bench_readers"
CREATE = (
    "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';"
    f' GRANT {GROUP} TO "{{{{name}}}}";'
)
#: The role whose users fall due together, after so many seconds.
BRIEF, BRIEF_SECONDS = "brief", 30
#: How many of them are left, how late the latest is (users are valid for five seconds longer than their leases), and
#: how many connections the server has.
_LEFT = f"""
SELECT count(*), coalesce(extract(epoch FROM max(now() - rolvaliduntil)) + 5, 0)::float,
  (SELECT count(*) FROM pg_stat_activity WHERE application_name = 'strongroom')
FROM pg_roles WHERE rolname LIKE 'v-%-{BRIEF}-%'
"""
POLICY = """
path "database/creds/*" { capabilities = ["read"] }
path "sys/leases/revoke" { capabilities = ["update"] }
"""

Cycle = Callable[[], Awaitable[None]]


async def rate(cycles: list[Cycle], seconds: float) -> tuple[float, float]:
    """Run each of these again and again, side by side; how many a second that makes, and their median in ms."""
    times: list[float] = []
    began = time.perf_counter()

    async def one(cycle: Cycle) -> None:
        while (since := time.perf_counter()) - began < seconds:
            await cycle()
            times.append(time.perf_counter() - since)

    await asyncio.gather(*map(one, cycles))
    return len(times) / (time.perf_counter() - began), statistics.median(times) * 1e3


async def bare(port: int, seconds: float) -> tuple[float, float]:
    """What a script reaches that does nothing but run the statements."""
    connections = [
        await psycopg.AsyncConnection.connect(
            host="127.0.0.1", port=port, user=ADMIN, password=PASSWORD, dbname="postgres", autocommit=True
        )
        for _ in range(POOL)
    ]

    def cycle(connection: psycopg.AsyncConnection[Any]) -> Cycle:
        async def run() -> None:
            name = f"v-bare-{secrets.token_hex(10)}"
            create = CREATE.replace("{{name}}", name).replace("{{password}}", secrets.token_urlsafe(15))
            create = create.replace("{{expiration}}", "2099-01-01 00:00:00+0000")
            drop = (f'DROP OWNED BY "{name}"', f'DROP ROLE "{name}"')
            for statements in (create.rstrip(";").split("; "), drop):
                await connection.execute("BEGIN")
                for statement in statements:
                    await connection.execute(statement.encode(), prepare=False)
                await connection.execute("COMMIT")

        return run

    try:
        return await rate([cycle(connection) for connection in connections], seconds)
    finally:
        for connection in connections:
            await connection.close()


class Client:
    """A client on a connection that is kept."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = urlsplit(url), token

    async def open(self) -> Client:
        self._reader, self._writer = await asyncio.open_connection(self._url.hostname, self._url.port)
        return self

    def close(self) -> None:
        self._writer.close()

    async def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """One request; returns the answer's body, and raises `RuntimeError` for a refusal."""
        head = f"{method} /v1/{path} HTTP/1.1\r\nHost: {self._url.netloc}\r\nX-Vault-Token: {self._token}\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        content = await self._reader.readexactly(int(length or 0))
        if answer[9:10] != b"2":
            raise RuntimeError(f"{method} {path}: {answer[9:12].decode()} {content.decode()}")
        return content

    async def cycle(self) -> None:
        """Take credentials and revoke them."""
        lease = json.loads(await self.ask("GET", "database/creds/app"))["lease_id"]
        await self.ask("PUT", "sys/leases/revoke", json.dumps({"lease_id": lease}).encode())


async def ours(url: str, token: str, seconds: float) -> tuple[float, float]:
    """What clients of the server reach."""
    clients = [await Client(url, token).open() for _ in range(CLIENTS)]
    try:
        return await rate([client.cycle for client in clients], seconds)
    finally:
        for client in clients:
            client.close()


def prepare(server: servers.Server, folder: pathlib.Path, database: PostgreSQL) -> str:
    """A server that makes users there; returns an ordinary token."""
    servers.prepare(server, folder, audited=True)
    server.call("PUT", "sys/policies/acl/bench-app", {"policy": servers.POLICIES["bench-app"] + POLICY})
    server.call("POST", "sys/mounts/database", {"type": "database"})
    connection = {
        "plugin_name": "postgresql-database-plugin",
        "connection_url": database.url,
        "username": ADMIN,
        "password": PASSWORD,
        "allowed_roles": "*",
        "max_open_connections": POOL,
    }
    server.call("POST", "database/config/bench", connection)
    role = {"db_name": "bench", "creation_statements": CREATE, "default_ttl": "1h", "max_ttl": "24h"}
    server.call("POST", "database/roles/app", role)
    brief = {**role, "default_ttl": BRIEF_SECONDS, "max_ttl": BRIEF_SECONDS}
    server.call("POST", f"database/roles/{BRIEF}", brief)
    database.execute(f"CREATE ROLE {GROUP}")
    return servers.ordinary_token(server)


def throughput(server: servers.Server, token: str, database: PostgreSQL, seconds: float, rounds: int) -> str:
    """The script and the server in turns, as rows of a table."""
    asyncio.run(ours(server.url, token, 0.5))
    script: list[tuple[float, ...]] = []
    served: list[tuple[float, ...]] = []
    for _ in range(rounds):
        beside, took = asyncio.run(bare(database.port, seconds))
        script.append((beside, took, 1.0, 0.0))
        cpu = server.cpu_seconds()
        reached, took = asyncio.run(ours(server.url, token, seconds))
        cpu = (server.cpu_seconds() - cpu) / seconds / reached
        served.append((reached, took, reached / beside, cpu * 1e3))
    rows = [
        "| credentials taken and revoked | rate | median | server CPU | share | at least |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, figures, least in (("the script", script, ""), ("Strongroom", served, f"{TARGET:.2f}")):
        reached, took, share, cpu = map(statistics.median, zip(*figures, strict=True))
        used = f"{cpu:.2f} ms" if cpu else ""
        rows.append(f"| {name} | {reached:,.0f}/s | {took:.1f} ms | {used} | {share:.2f} | {least} |")
    return "\n".join(rows)


class Beside:
    """What others see: reads of a secret and credentials, each again and again with pauses."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url, token

    def during(self, seconds: float) -> tuple[float, float]:
        """The p99 in ms of reads, and of credentials taken and revoked."""
        return asyncio.run(self._during(seconds))

    async def _during(self, seconds: float) -> tuple[float, float]:
        client, taker = [await Client(self._url, self._token).open() for _ in range(2)]

        async def read() -> None:
            await client.ask("GET", "secret/data/bench/s0")

        async def timed(cycle: Cycle, pause: float, times: list[float]) -> None:
            end = time.perf_counter() + seconds
            while (since := time.perf_counter()) < end:
                await cycle()
                times.append(time.perf_counter() - since)
                await asyncio.sleep(pause)

        reads: list[float] = []
        creds: list[float] = []
        await asyncio.gather(timed(read, 0.005, reads), timed(taker.cycle, 0.05, creds))
        client.close()
        taker.close()
        return _p99(reads), _p99(creds)


def _p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)] * 1e3


async def _fill(url: str, token: str, count: int) -> None:
    """Take so many credentials of the role `brief`."""
    left = iter(range(count))

    async def one() -> None:
        client = await Client(url, token).open()
        for _ in left:
            await client.ask("GET", f"database/creds/{BRIEF}")
        client.close()

    await asyncio.gather(*(one() for _ in range(CLIENTS)))


def expirations(server: servers.Server, token: str, database: PostgreSQL, count: int) -> str:
    """Users that fall due within a minute: how late the last is removed, and what others see meanwhile."""
    server.call("POST", "secret/data/bench/s0", {"data": {"key": "value"}})
    beside = Beside(server.url, token)
    idle = beside.during(4)
    began = time.time()
    asyncio.run(_fill(server.url, token, count))
    took = time.time() - began
    time.sleep(max(0.0, began + BRIEF_SECONDS - time.time()))
    seen: list[tuple[float, float]] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.append(beside.during(4))

    watcher = threading.Thread(target=look)
    watcher.start()
    latest, most = 0.0, 0
    with database.session() as connection:
        left = count
        while left and time.time() < began + took + BRIEF_SECONDS + 120:
            left, late, connections = connection.execute(_LEFT).fetchone() or (0, 0.0, 0)
            latest, most = max(latest, late), max(most, connections)
            time.sleep(0.5)
    done.set()
    watcher.join()
    reads, creds = (max(one[i] for one in seen) for i in range(2))
    return (
        f"{count:,} users that fall due within {took:.0f} s: {left} left, none removed more than "
        f"{max(0.0, latest):.0f} s after its time (at most 60), over {most} connections (at most {POOL}). "
        f"Meanwhile the p99 of reads is {reads:.1f} ms (idle {idle[0]:.1f} ms), that of credentials "
        f"taken and revoked {creds:.0f} ms (idle {idle[1]:.0f} ms)."
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.database", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of each measurement")
    parser.add_argument("--rounds", type=int, default=15, help="how often each is repeated; medians are shown")
    parser.add_argument("--expire", type=int, default=0, help="also let so many users fall due within a minute")
    parser.add_argument("--write", action="store_true", help=f"put the figures into {report.DOCUMENT.name}")
    args = parser.parse_args()
    parts = []
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-") as name, started(PostgreSQL(fsync="on")) as database:
        folder = pathlib.Path(name)
        server = servers.start(folder)
        try:
            token = prepare(server, folder, database)
            if args.rounds:
                parts.append(throughput(server, token, database, args.seconds, args.rounds))
                print(parts[-1], flush=True)
            if args.expire:
                parts.append(expirations(server, token, database, args.expire))
                print(parts[-1], flush=True)
        finally:
            server.stop()
    if args.write:
        report.write("\n\n".join(parts), begin=report.MARK.format("bench.database"))


if __name__ == "__main__":
    main()
