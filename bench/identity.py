"""`python -m bench.identity`: logins among 100,000 entities with two aliases each, and reads beside bcrypt.

Two servers run side by side and are asked in turns, so that both meet the same machine: one knows `FEW` people, the
other many. People log in with signed JWTs, each one of all there are, so that hardly anybody's entity is in memory; a
machine logs in with AppRole again and again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import pathlib
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench import identity_state, load, report, servers
from bench.identity_state import ROLE
from bench.operations import LOGIN, NAMES, filling
from bench.reads import READS, Reads

FEW = 100
#: Clients that log in at once.
CLIENTS = 4
AUDIENCE = "bench"
USER, PASSWORD = "somebody", "correct horse battery staple"


@dataclass
class Side:
    """A server, and whom it knows."""

    folder: pathlib.Path
    count: int
    server: servers.Server = field(init=False)
    token: str = ""
    root: str = field(default="", repr=False)
    unsealed: float = 0.0
    resident: int = 0
    rounds: dict[str, list[load.Figures]] = field(default_factory=dict)

    def build(self, key: Ed25519PrivateKey) -> None:
        """Make the state, and leave the server running after a restart."""
        self.folder.mkdir()
        self.server = servers.start(self.folder)
        unseal = servers.prepare(self.server, self.folder, audited=True)
        self.root = self.server.token
        add_methods(self.server, key)
        self.token = servers.ordinary_token(self.server)
        asyncio.run(load.write_all(self.server.url, filling(self.token, NAMES), 4))
        self.server.stop()
        identity_state.fill(self.folder, unseal, self.count)
        self.server = servers.start(self.folder)
        began = time.perf_counter()
        self.server.call("PUT", "sys/unseal", {"key": unseal})
        self.unsealed = time.perf_counter() - began
        self.resident = self.server.resident_bytes()

    def log_in(self, what: str, bodies: list[str], path: str, seconds: float) -> None:
        """Log in again and again, with any of these bodies."""
        shots = [load.as_bytes(self.server.url, load.Shot("POST", path, body), 0) for body in bodies]
        self.rounds.setdefault(what, []).append(asyncio.run(_converse(self.server.url, shots, CLIENTS, seconds)))

    def of(self, what: str, figure: str) -> float:
        """The median over the rounds."""
        return statistics.median(getattr(one, figure) for one in self.rounds[what])


def add_methods(server: servers.Server, key: Ed25519PrivateKey) -> None:
    """Let people and `USER` log in."""
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    server.call("POST", "sys/auth/jwt", {"type": "jwt"})
    server.call("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [pem], "jwt_supported_algs": ["EdDSA"]})
    role = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": [AUDIENCE], "token_policies": ["bench-app"]}
    server.call("POST", f"auth/jwt/role/{ROLE}", role)
    server.call("POST", "sys/auth/userpass", {"type": "userpass"})
    server.call("POST", f"auth/userpass/users/{USER}", {"password": PASSWORD, "token_policies": ["bench-app"]})


def signed(key: Ed25519PrivateKey, people: Iterator[int]) -> list[str]:
    """The logins of these people."""
    claims = {"aud": AUDIENCE, "iat": int(time.time()), "exp": int(time.time()) + 3600}
    return [
        json.dumps({"role": ROLE, "jwt": jwt.encode({**claims, "sub": identity_state.person(n)}, key, "EdDSA")})
        for n in people
    ]


async def _converse(url: str, shots: list[bytes], clients: int, seconds: float) -> load.Figures:
    """Ask any of these in turn, over so many connections."""
    times: list[float] = []
    errors = 0
    began = time.perf_counter()

    def texts() -> Iterator[bytes]:
        while time.perf_counter() - began < seconds:
            yield random.choice(shots)

    async def one() -> None:
        nonlocal errors
        async with contextlib.aclosing(load.converse(url, texts())) as answers:
            async for status, took in answers:
                times.append(took)
                errors += status != 200

    await asyncio.gather(*(one() for _ in range(clients)))
    took = time.perf_counter() - began
    if errors:
        raise RuntimeError(f"{errors} logins of {len(times)} were refused")
    times.sort()
    at = lambda share: times[int(len(times) * share)] * 1e3  # noqa: E731
    return load.Figures(len(times), took, errors, at(0.5), at(0.99))


# -- Figures -----------------------------------------------------------------------------------------------------------

MACHINE, PERSON = "AppRole, one machine", "JWT, anybody"


def logins(few: Side, many: Side, key: Ed25519PrivateKey, seconds: float, rounds: int) -> str:
    """Logins on both sides in turns, as a table."""
    sample = random.sample(range(many.count), min(many.count, 20_000))
    people = {id(few): signed(key, iter(range(few.count))), id(many): signed(key, iter(sample))}
    for n in range(rounds):
        sides = (few, many) if n % 2 else (many, few)
        for side in sides:
            side.log_in(MACHINE, [LOGIN], "/v1/auth/approle/login", seconds)
        for side in sides:
            side.log_in(PERSON, people[id(side)], "/v1/auth/jwt/login", seconds)
    sizes = " | ".join(f"{side.count:,} entities, p50 / p99" for side in (few, many))
    rows = [f"| logins | {sizes} | p50, of that with few | at most |", "|---|---:|---:|---:|---:|"]
    for what in (MACHINE, PERSON):
        cells = [f"{side.of(what, 'p50'):.2f} / {side.of(what, 'p99'):.2f} ms" for side in (few, many)]
        pairs = zip(many.rounds[what], few.rounds[what], strict=True)
        share = statistics.median(one.p50 / other.p50 for one, other in pairs)
        rows.append(f"| {what} | {' | '.join(cells)} | {share:.2f} | 1.20 |")
    return "\n".join(rows)


def restart(few: Side, many: Side) -> str:
    """Unsealing, and memory before and after the logins."""
    held = {id(side): side.server.resident_bytes() / 1e6 for side in (few, many)}
    return (
        f"{many.count:,} entities with {2 * many.count:,} aliases: after a restart unsealed in {many.unsealed:.2f} s "
        f"(at most 2), {many.resident / 1e6:.0f} MB resident then, {held[id(many)]:.0f} MB after the logins "
        f"({few.resident / 1e6:.0f} and {held[id(few)]:.0f} MB with {few.count})."
    )


def bcrypt(side: Side, seconds: float, rounds: int) -> str:
    """Reads at a steady rate while clients log in with a password, against the same reads without."""
    reads = Reads(side.server.url, side.token)
    body = json.dumps({"password": PASSWORD})
    shot = load.as_bytes(side.server.url, load.Shot("POST", f"/v1/auth/userpass/login/{USER}", body), 0)
    reads.during(1)
    idle: list[float] = []
    busy: list[float] = []
    rates: list[float] = []
    for _ in range(rounds):
        idle.append(reads.during(seconds))
        beside = threading.Thread(
            target=lambda: rates.append(asyncio.run(_converse(side.server.url, [shot], CLIENTS, seconds + 1)).rate)
        )
        beside.start()
        time.sleep(0.5)
        busy.append(reads.during(seconds))
        beside.join()
    before, after = statistics.median(idle), statistics.median(busy)
    return (
        f"{CLIENTS} clients that log in with a password without pause ({statistics.median(rates):.0f} logins/s): the "
        f"p99 of {READS:,} reads/s is {after:.2f} ms, {after / before:.1f} x that of an idle server, {before:.2f} ms "
        "(at most 3)."
    )


def listed(side: Side) -> str:
    """Reads at a steady rate while somebody lists all entities."""
    reads = Reads(side.server.url, side.token)
    idle = reads.during(3)
    side.server.token = side.root
    took: list[float] = []

    def ask() -> None:
        began = time.perf_counter()
        side.server.call("LIST", "identity/entity/id")
        took.append(time.perf_counter() - began)

    asking = threading.Thread(target=ask)
    asking.start()
    busy = reads.during(2)
    asking.join()
    return (
        f"A list of all entities takes {took[0]:.1f} s; the p99 of the same reads meanwhile is {busy:.2f} ms "
        f"(idle {idle:.2f} ms)."
    )


def measure(folder: pathlib.Path, count: int, seconds: float, rounds: int) -> Iterator[str]:
    """The parts of the report."""
    key = Ed25519PrivateKey.generate()
    with contextlib.ExitStack() as stack:
        few, many = sides = [Side(folder / str(n), n) for n in (FEW, count)]
        for side in sides:
            side.build(key)
            stack.callback(side.server.stop)
        yield logins(few, many, key, seconds, rounds)
        yield restart(few, many)
        yield bcrypt(many, seconds, rounds)
        yield listed(many)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.identity", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="entities")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each measurement")
    parser.add_argument("--rounds", type=int, default=6, help="how often each is repeated; medians are shown")
    parser.add_argument("--write", action="store_true", help=f"put the figures into {report.DOCUMENT.name}")
    args = parser.parse_args()
    parts = []
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-") as name:
        for part in measure(pathlib.Path(name), args.count, args.seconds, args.rounds):
            parts.append(part)
            print(part + "\n", flush=True)
    if args.write:
        report.write("\n\n".join(parts), begin=report.MARK.format("bench.identity"))


if __name__ == "__main__":
    main()
