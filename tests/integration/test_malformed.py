"""Ten thousand requests that are wrong somewhere: each is refused, none is a failure, nothing hangs, nothing grows.

They go over raw connections, for a library would not send most of them.
"""

from __future__ import annotations

import asyncio
import json
import pathlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator

from tests.support.process import SQLITE, Process, running

SEED = 20240608
#: In each of two rounds.
COUNT = 5_000
CONNECTIONS = 16

#: Seconds that one answer may take, on a machine that does much else.
PATIENCE = 20.0
#: Seconds after which what is left is not sent any more.
BUDGET = 60.0

#: Resident bytes that the second round may add: nothing of a request stays.
GROWTH = 12 << 20

#: A cache so small that it is full before the first measurement.
CONFIG = SQLITE + "\ncache_size = 1000\n"

PATHS = (
    *("secret/data/a", "secret/metadata/a", "cubbyhole/x", "nowhere/at/all", "sys/unseal"),
    *("sys/mounts", "sys/mounts/x", "sys/policies/acl/x", "sys/leases/lookup", "sys/wrapping/unwrap", "sys/tools/hash"),
    *("auth/token/create", "auth/token/lookup", "auth/token/lookup-self"),
)
METHODS = ("GET", "POST", "PUT", "DELETE", "LIST", "PATCH", "HEAD", "OPTIONS")

#: What policies are made of.
POLICY = (
    *("path", '"a/*"', "{", "}", "capabilities", "=", "[", "]", '"read"', '"deny"', ",", "min_wrapping_ttl", "+"),
    *("#", "/*", "<<EOF", "EOF", "\\", '"', "${x}", "\n", "\x00", "9" * 50),
)

Draw = random.Random


def request(
    method: str, target: str, headers: dict[str, str] | list[tuple[str, str]] | None = None, body: bytes = b""
) -> bytes:
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers or ())
    if body and not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in pairs):
        pairs.append(("Content-Length", str(len(body))))
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in pairs)]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


def text(draw: Draw, most: int = 40) -> str:
    """Characters that may stand in a header."""
    return "".join(chr(draw.choice((*range(0x21, 0x7F), 0x20))) for _ in range(draw.randrange(1, most))).strip() or "x"


def garbage(draw: Draw, token: str) -> bytes:
    """No HTTP at all."""
    return draw.randbytes(draw.randrange(1, 300)) + b"\r\n\r\n"


def request_line(draw: Draw, token: str) -> bytes:
    method = draw.choice((*METHODS, "", "get", "G E T", "\x00", "PRI", "CONNECT", "TRACE", "X" * 300))
    target = draw.choice(
        (
            "/v1/sys/health",
            "",
            "*",
            "http://a/v1/x",
            "v1/x",
            "/v1/%",
            "/v1/%zz",
            "/v1/%00",
            "/\\",
            "//v1//",
            "/v1/../..",
            "/" + "a" * 9000,
        )
    )
    version = draw.choice(("HTTP/1.1", "HTTP/1.0", "HTTP/9.9", "HTTP/", "", "FTP/1.1", "HTTP/1.1 x"))
    return f"{method} {target} {version}\r\nHost: localhost\r\n\r\n".encode()


def target(draw: Draw, token: str) -> bytes:
    odd = (
        "%ff",
        "%c0%af",
        "%00",
        "%0d%0aX:%20y",
        "%2e%2e",
        "..",
        "%2f",
        "%e2%80%ae",
        "é",
        ";",
        "?",
        "#",
        "%25",
        "+",
        "%20",
        "a" * 3000,
    )
    path = "/".join(draw.choice((*odd, "data", "secret", "x")) for _ in range(draw.randrange(1, 6)))
    query = draw.choice(
        ("", "?list=maybe", "?help=1", "?" + "a=1&" * 1500, "?=%ff", "?version=" + "9" * 40, "?list=true&list=x")
    )
    return request(draw.choice(METHODS), f"/v1/secret/{path}{query}", {"X-Vault-Token": token})


def header(draw: Draw, token: str) -> bytes:
    name, value = draw.choice(
        (
            ("X-Vault-Wrap-TTL", draw.choice(("x", "-1", "9" * 40, "1h1", "", "nan", "1e9"))),
            ("X-Vault-Namespace", text(draw)),
            ("X-Vault-Token", text(draw, 200)),
            ("X-Vault-Token", "hvs." + text(draw, 200)),
            ("X-Vault-Token", "hvb." + "A" * draw.randrange(60_000)),
            ("X-Vault-Token", "\udcff\udcfe" + text(draw)),
            ("Authorization", "Bearer " + text(draw)),
            ("Authorization", "Basic " + text(draw)),
            ("X-Forwarded-For", text(draw)),
            ("Content-Type", text(draw)),
            ("Connection", "upgrade"),
            ("Upgrade", "websocket"),
            (text(draw).replace(" ", "-"), text(draw, 9000)),
            ("Range", "bytes=0-1,-1"),
            ("Cookie", text(draw, 9000)),
        )
    )
    return request(draw.choice(METHODS), f"/v1/{draw.choice(PATHS)}", [("X-Vault-Token", token), (name, value)])


def framing(draw: Draw, token: str) -> bytes:
    """A body whose end is told wrongly."""
    name, value = draw.choice(
        (
            ("Content-Length", draw.choice(("-1", "x", "9" * 30, "1, 2", ""))),
            ("Transfer-Encoding", draw.choice(("chunked, chunked", "gzip", "x", "identity"))),
            ("Expect", "100-continue"),
        )
    )
    return request(draw.choice(("POST", "GET")), "/v1/secret/data/a", [("X-Vault-Token", token), (name, value)], b"{}")


def many_headers(draw: Draw, token: str) -> bytes:
    return request("GET", "/v1/sys/mounts", [(f"X-{n}", "y") for n in range(draw.choice((50, 99, 150, 1000)))])


def body(draw: Draw, token: str) -> bytes:
    """What is no JSON object, or a strange one."""
    depth = draw.choice((10, 299, 301, 5000, 100_000))
    value = draw.choice(
        (
            b"{",
            b"}",
            b"[]",
            b"1",
            b'"x"',
            b"nul",
            b"\xff\xfe",
            b'{"a":}',
            b'{"a":1,}',
            b'{"a":1}x',
            b"{'a':1}",
            b'{"a":1e999}',
            b'{"\\ud800":1}',
            b'{"a":"\\ud800"}',
            b'{"a":"\x00"}',
            b'{"a":' + b"9" * 5000 + b"}",
            b'{"a":' * depth + b"1" + b"}" * depth,
            b'{"a":' + b"[" * depth + b"]" * depth + b"}",
            json.dumps({f"k{n}": n for n in range(draw.randrange(3000))}).encode(),
            draw.randbytes(draw.randrange(2000)),
            b"a=1&" * 2000,
            b"%ff=%ff",
            b'{"data":' + b'"' + b"x" * draw.randrange(200_000) + b'"}',
            b'{"token":{"a":[1]},"path":[],"type":7,"policy":{},"lease_id":false,"ttl":[]}',
        )
    )
    kind = draw.choice(
        (
            "application/json",
            "application/x-www-form-urlencoded",
            "application/merge-patch+json",
            "text/plain",
            "",
            text(draw),
        )
    )
    method = draw.choice(("POST", "PUT", "PATCH", "DELETE", "GET", "LIST"))
    return request(method, f"/v1/{draw.choice(PATHS)}", {"X-Vault-Token": token, "Content-Type": kind}, value)


def policy(draw: Draw, token: str) -> bytes:
    written = " ".join(draw.choice(POLICY) for _ in range(draw.randrange(60)))
    sent = json.dumps({"policy": draw.choice((written, [written], {"path": {written: written}}, None, 7))}).encode()
    return request("PUT", f"/v1/sys/policies/acl/p{draw.randrange(5)}", {"X-Vault-Token": token}, sent)


def chunks(draw: Draw, token: str) -> bytes:
    """A body in chunks that are none."""
    wrong = draw.choice(
        (
            b"x\r\n{}\r\n0\r\n\r\n",
            b"ffffffffffffffffff\r\n{}",
            b"-1\r\n\r\n",
            b"2\r\n{}0\r\n\r\n",
            b"2;" + b"a" * 5000 + b"\r\n{}\r\n0\r\n\r\n",
            b"1\r\n{\r\n1\r\n}\r\n0\r\nX: y\r\n\r\n",
        )
    )
    return request("POST", "/v1/secret/data/a", {"X-Vault-Token": token, "Transfer-Encoding": "chunked"}, wrong)


def broken_off(draw: Draw, token: str) -> bytes:
    """A request whose rest never comes."""
    whole = request("POST", "/v1/secret/data/a", {"X-Vault-Token": token, "Content-Length": "5000"}, b'{"data":')
    return whole[: draw.randrange(1, len(whole))]


KINDS: tuple[Callable[[Draw, str], bytes], ...] = (
    *(garbage, request_line, target, target, header, header, framing, many_headers),
    *(body, body, body, policy, chunks, broken_off),
)


#: Those that are answered without more to come; the others end in the middle.
WHOLE = frozenset({"target", "header", "many_headers", "body", "policy"})


def wrong(seed: int, token: str, count: int) -> Iterator[tuple[str, bytes]]:
    """So many requests, each with the name of what is wrong with it."""
    draw = Draw(seed)
    for _ in range(count):
        kind = draw.choice(KINDS)
        yield kind.__name__, kind(draw, token)


async def ask(port: int, sent: bytes, whole: bool) -> int:
    """Send it on a connection of its own, and nothing after it; the status, or 0 for none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        if not whole:
            writer.write_eof()
        line = await reader.readline()
        return int(line.split()[1]) if line.startswith(b"HTTP/") else 0
    except OSError:  # it had enough
        return 0
    finally:
        writer.close()


async def send_all(server: Process, seed: int, until: float) -> tuple[Counter[str], list[str]]:
    """Send them, as many at once as there are connections; what came of them, and which of them failed."""
    left = wrong(seed, server.token, COUNT)
    seen: Counter[str] = Counter()
    failed: list[str] = []

    async def some() -> None:
        for kind, sent in left:
            if time.monotonic() >= until:
                return
            try:
                async with asyncio.timeout(PATIENCE):
                    status = await ask(server.port, sent, kind in WHOLE)
            except TimeoutError:
                failed.append(f"{kind} hangs: {sent[:300]!r}")
                continue
            seen[f"{status // 100}xx" if status else "closed"] += 1
            seen["sent"] += 1
            if status >= 500:
                failed.append(f"{kind} {status}: {sent[:300]!r}")

    await asyncio.gather(*(some() for _ in range(CONNECTIONS)))
    return seen, failed


def resident(server: Process) -> int:
    assert server.process is not None
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))


def descriptors(server: Process) -> int:
    assert server.process is not None
    return len(list(pathlib.Path(f"/proc/{server.process.pid}/fd").iterdir()))


def test_ten_thousand_malformed_requests_fail_nothing_hang_nothing_and_leave_nothing(tmp_path: pathlib.Path) -> None:
    with running(tmp_path, CONFIG) as server:
        server.unseal(server.init())
        server.call("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
        server.call("PUT", "sys/audit/file", {"type": "file", "options": {"file_path": str(tmp_path / "audit.log")}})
        until = time.monotonic() + BUDGET
        open_before = descriptors(server)
        first, failed = asyncio.run(send_all(server, SEED, until))
        before = resident(server)
        second, failed_later = asyncio.run(send_all(server, SEED + 1, until))
        grown = resident(server) - before
        assert failed + failed_later == []
        assert first["4xx"] > first["sent"] * 0.5
        assert grown < GROWTH, f"{grown} bytes more after {second['sent']} requests"
        assert descriptors(server) <= open_before + CONNECTIONS
        status, body_ = server.call("GET", "auth/token/lookup-self")
        assert (status, body_["data"]["policies"]) == (200, ["root"])
        assert "[ERROR]" not in server.log.read_text()
