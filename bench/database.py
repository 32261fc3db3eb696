"""`python -m bench.database`: credentials made and revoked, beside a bare script that runs the same statements.

Both use as many connections to the same PostgreSQL, in turns, and both create a user, let it in a group, and drop it
with what it was granted. The server does beside that what it is there for: an ordinary token's policies, two audit
entries for each of two requests, a lease that is durable before the user is made, and its end.

With `--expire COUNT` as many leases fall due within a minute, while others read secrets and take credentials.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import pathlib
import secrets
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import psycopg
from tests.support.databases import ADMIN, PASSWORD, PostgreSQL, started

from bench import servers

POOL = 4
CLIENTS = 16
TARGET = 0.75
GROUP = "bench_readers"
CREATE = (
    "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';"
    f' GRANT {GROUP} TO "{{{{name}}}}";'
)
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


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.database", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is repeated; medians are shown")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-") as name, started(PostgreSQL(fsync="on")) as database:
        folder = pathlib.Path(name)
        server = servers.start(folder)
        try:
            token = prepare(server, folder, database)
            print(throughput(server, token, database, args.seconds, args.rounds), flush=True)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
