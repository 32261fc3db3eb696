"""`python -m bench.transit`: what batches save, RSA beside OpenSSL, and how long large payloads hold up others."""

from __future__ import annotations

import argparse
import base64
import dataclasses
import http.client
import json
import multiprocessing
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from multiprocessing.process import BaseProcess
from urllib.parse import urlsplit

from bench import load, report, servers

DOCUMENT = report.DOCUMENT.with_name("transit.md")
BEGIN = report.MARK.format("bench.transit")
SIZES = (1, 100, 1000)
#: The largest payload: its base64 and the JSON around it stay below the default limit of 32 MiB.
PAYLOAD = 24 * (1 << 20) - 3072
POLICY = 'path "transit/*" { capabilities = ["update"] }'


def plain() -> str:
    """32 bytes in base64, others each time."""
    return base64.b64encode(os.urandom(32)).decode()


@contextmanager
def serving(folder: pathlib.Path) -> Iterator[tuple[servers.Server, str]]:
    """A server with an audit device, and an ordinary token that may use its keys."""
    server = servers.start(folder)
    try:
        servers.prepare(server, folder, audited=True)
        server.call("POST", "transit/keys/rsa", {"type": "rsa-2048"})
        server.call("PUT", "sys/policies/acl/bench-transit", {"policy": POLICY})
        asked = {"policies": ["bench-transit", *servers.POLICIES], "ttl": "24h"}
        yield server, server.call("POST", "auth/token/create", asked)["auth"]["client_token"]
    finally:
        server.stop()


def fired(server: servers.Server, shot: load.Shot, seconds: float, connections: int) -> load.Figures:
    """A load with the processor time that it took the server."""
    before = server.cpu_seconds()
    figures = load.fire(server.url, shot, connections=connections, seconds=seconds)
    return dataclasses.replace(figures, cpu=server.cpu_seconds() - before)


def batches(server: servers.Server, token: str, seconds: float) -> str:
    """Encryptions of 32 bytes one by one and in batches."""
    lines = [
        "| encryptions a request | items a second | of single calls | server CPU a request | an item |",
        "|---:|---:|---:|---:|---:|",
    ]
    single = 0.0
    for size in SIZES:
        body = {"plaintext": plain()} if size == 1 else {"batch_input": [{"plaintext": plain()} for _ in range(size)]}
        shot = load.Shot("POST", "/v1/transit/encrypt/bench", json.dumps(body), token)
        figures = fired(server, shot, seconds, 16 if size == 1 else 4)
        items = figures.rate * size
        single = single or items
        cpu = f"{figures.cpu_us / 1000:.2f} ms | {figures.cpu_us / size:.1f} µs"
        failed = f" ({figures.errors} errors!)" if figures.errors else ""
        lines.append(f"| {size:,}{failed} | {items:,.0f} | {items / single:.1f} x | {cpu} |")
    return "\n".join(lines)


def rsa(server: servers.Server, token: str, seconds: float) -> str:
    """RSA-2048 signatures beside those of `openssl speed` on one processor."""
    shot = load.Shot("POST", "/v1/transit/sign/rsa", json.dumps({"input": plain()}), token)
    figures = fired(server, shot, seconds, 16)
    text = f"RSA-2048 signatures (PSS, SHA-256, audited): {figures.rate:,.0f}/s"
    try:
        args = ["openssl", "speed", "-seconds", str(max(1, round(seconds))), "rsa2048"]
        shown = subprocess.run(args, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return text + "."
    found = re.search(r"rsa\s+2048 bits\s+\S+\s+\S+\s+([0-9.]+)", shown)
    if found is None:
        return text + "."
    alone = float(found[1])
    return (
        f"{text}, {figures.rate / alone:.2f} of the {alone:,.0f}/s of `openssl speed` on one processor (at least 0.70)."
    )


def waits(url: str, others: list[BaseProcess]) -> list[float]:
    """How long answers to a question that costs nothing take while others are at work, in milliseconds."""
    times = []
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)) as connection:
        while any(other.is_alive() for other in others):
            began = time.perf_counter()
            connection.request("GET", "/v1/sys/health")
            connection.getresponse().read()
            times.append((time.perf_counter() - began) * 1e3)
    return times


def large(server: servers.Server, token: str, rounds: int) -> str:
    """What others wait for while the largest payloads are encrypted and decrypted, two at a time."""
    plaintext = base64.b64encode(os.urandom(PAYLOAD)).decode()
    ciphertext = _post(server, token, "encrypt", {"plaintext": plaintext})["ciphertext"]
    lines = []
    for path, body in (("encrypt", {"plaintext": plaintext}), ("decrypt", {"ciphertext": ciphertext})):
        raw = load.as_bytes(server.url, load.Shot("POST", f"/v1/transit/{path}/bench", json.dumps(body), token), 0)
        longest = []
        for _ in range(rounds):
            # In processes of their own: what they do to so many bytes must not be measured.
            others = [multiprocessing.Process(target=_exchanges, args=(server.url, raw, 3)) for _ in range(2)]
            for other in others:
                other.start()
            longest.append(max(waits(server.url, others)))
            if any(other.exitcode for other in others):
                raise RuntimeError("a large request was refused")
        lines.append(
            f"While six payloads of {len(plaintext) / 2**20:.0f} MiB (base64) are {path}ed, two at a time, requests "
            f"beside them wait at most {statistics.median(longest):.0f} ms (at most 50): the median of {rounds} rounds "
            f"of which the worst had {max(longest):.0f} ms."
        )
    return "\n\n".join(lines)


def _post(server: servers.Server, token: str, operation: str, body: dict[str, str]) -> dict[str, str]:
    with closing(http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)) as connection:
        connection.request("POST", f"/v1/transit/{operation}/bench", json.dumps(body), {"X-Vault-Token": token})
        answer: dict[str, dict[str, str]] = json.loads(connection.getresponse().read())
    return answer["data"]


def _exchanges(url: str, raw: bytes, count: int) -> None:
    os.nice(10)  # what is measured is the server, not who gets the processor
    for _ in range(count):
        _exchange(url, raw)


def _exchange(url: str, raw: bytes) -> None:
    """Send a finished request and drop the answer."""
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)) as connection:
        connection.connect()
        connection.sock.sendall(raw)
        answer = http.client.HTTPResponse(connection.sock)
        answer.begin()
        if answer.status != 200:
            raise RuntimeError(f"refused: {answer.status} {answer.read(200)!r}")
        buffer = bytearray(1 << 20)
        while answer.readinto(buffer):
            pass


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.transit", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each measurement")
    parser.add_argument("--rounds", type=int, default=7, help="of large payloads, how often")
    parser.add_argument("--only", default="", choices=("", "batches", "rsa", "large"))
    parser.add_argument("--write", action="store_true", help=f"put the figures into {DOCUMENT.name}")
    args = parser.parse_args()
    parts = []
    with (
        tempfile.TemporaryDirectory(prefix="strongroom-bench-") as name,
        serving(pathlib.Path(name)) as (server, token),
    ):
        for title, make in (
            # First: after the others the disk is still busy with hundreds of megabytes of audit log.
            ("large", lambda: large(server, token, args.rounds)),
            ("rsa", lambda: rsa(server, token, args.seconds)),
            ("batches", lambda: batches(server, token, args.seconds)),
        ):
            if args.only in ("", title):
                parts.append(make())
                print("\n" + parts[-1], flush=True)
    if args.write:
        report.write("\n\n".join(parts), begin=BEGIN, document=DOCUMENT)


if __name__ == "__main__":
    main()
