"""The benchmark's own parts; it itself runs only when asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pathlib
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
from bench import cli, identity, identity_state, report, servers, transit
from bench.load import Figures, Shot, as_bytes, converse, write_all
from bench.operations import filling, operations
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strongroom.cli import catalog
from strongroom.cli.command import Command


def test_the_table_has_a_row_for_each_operation() -> None:
    figures = Figures(requests=1000, seconds=2.0, errors=0, p50=1.5, p99=9.25, cpu=0.1)
    row = report.Measured("KV v2 read", 0.25, [(figures, 1000.0), (figures, 2000.0)])
    lines = report.table([row]).splitlines()
    assert [cell.strip() for cell in lines[2].strip("|").split("|")] == [
        "KV v2 read",
        "500/s",
        "1.50 ms",
        "9.25 ms",
        "100 µs",
        "0.38",
        "0.25",
    ]
    assert len({len(line) for line in lines}) == 1


def test_errors_are_not_hidden() -> None:
    figures = Figures(10, 1.0, 3, 1.0, 1.0)
    assert report.Measured("x", 0.0, [(figures, 10.0)]).cells()[0] == "x (3 errors!)"


def test_figures_go_to_their_place(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    monkeypatch.setattr(report, "DOCUMENT", document)
    report.write("new")
    text = document.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "\nnew\n" in text


@pytest.mark.parametrize(
    ("document", "begin"),
    [
        (report.DOCUMENT, report.BEGIN),
        (report.DOCUMENT, report.MARK.format("bench.database")),
        (report.DOCUMENT, report.MARK.format("bench.identity")),
        (report.DOCUMENT, report.MARK.format("bench.cli")),
        (transit.DOCUMENT, transit.BEGIN),
    ],
    ids=["all", "database", "identity", "cli", "transit"],
)
def test_the_document_has_that_place(document: pathlib.Path, begin: str) -> None:
    _, _, rest = document.read_text().partition(begin)
    assert report.END in rest


def test_a_command_is_run_and_measured(tmp_path: pathlib.Path) -> None:
    row = cli.rows(0)[1]
    used = cli.run(cli.words_of(row), servers.environment(tmp_path))
    assert used.cpu > 0
    assert used.peak > 1 << 20
    shown = cli.cells(row, [cli.Run(0.03, 0.02, 12_300_000), cli.Run(0.05, 0.04, 1), cli.Run(0.04, 0.06, 1)])
    assert shown == ["`vault version`", "40 ms", "100 ms", "40 ms", "90 ms", "12 MB"]
    with pytest.raises(RuntimeError, match="no-such: exit code 127"):
        cli.run(["no-such"], servers.environment(tmp_path))


def test_every_command_that_is_measured_exists() -> None:
    for row in cli.rows(1)[1:]:
        path, command, _ = catalog.find(cli.words_of(row))
        assert isinstance(command, Command), path


@pytest.mark.parametrize("row", operations("t"), ids=lambda row: row.name)
def test_operations_are_requests(row: object) -> None:
    shot = getattr(row, "shot")  # noqa: B009 - any row
    text = as_bytes("http://h:1", shot, 7)
    assert text.startswith(f"{shot.method} {shot.path.replace('{n}', '7')} HTTP/1.1\r\nHost: h:1\r\n".encode())
    assert text.endswith(b"\r\n\r\n" + shot.body.encode())


@contextlib.asynccontextmanager
async def answering(seen: list[bytes], status: int) -> AsyncIterator[str]:
    """A server that answers everything with this status; gives its URL."""
    done = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        done.append(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]
                seen.append(head.partition(b"\r\n")[0] + b" " + await reader.readexactly(int(length or 0)))
                writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 2\r\n\r\n{}" % status)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await asyncio.gather(*filter(None, done))


def test_our_own_loader_speaks_http() -> None:
    async def main() -> None:
        seen: list[bytes] = []
        async with answering(seen, 200) as url:
            await write_all(url, filling("t", 5), 2)
            assert sorted(line.split()[1] for line in seen) == [b"/v1/secret/data/bench/s%d" % n for n in range(5)]
            text = as_bytes(url, Shot("GET", "/v1/a"), 0)
            assert [status async for status, _ in converse(url, iter([text]))] == [200]

    asyncio.run(main())


def test_a_refused_write_stops_the_filling() -> None:
    async def main() -> None:
        async with answering([], 403) as url:
            with pytest.raises(RuntimeError, match="403"):
                await write_all(url, filling("t", 3), 1)

    asyncio.run(main())


def test_many_people_are_stored_as_the_server_finds_them(tmp_path: pathlib.Path) -> None:
    """What is measured must be what a server would have written: a login meets the entity that was put there."""
    server = servers.start(tmp_path)
    try:
        key = servers.prepare(server, tmp_path, audited=False)
        signer = Ed25519PrivateKey.generate()
        identity.add_methods(server, signer)
        root = server.token
        server.stop()
        identity_state.fill(tmp_path, key, 3)
        server = servers.start(tmp_path)
        server.call("PUT", "sys/unseal", {"key": key})
        server.token = root
        (body,) = identity.signed(signer, iter([2]))
        auth = server.call("POST", "auth/jwt/login", json.loads(body))["auth"]
        entity = server.call("GET", f"identity/entity/id/{auth['entity_id']}")["data"]
        assert (entity["name"], len(entity["aliases"])) == ("Person 2", 2)
        assert all(alias["last_update_time"] == alias["creation_time"] for alias in entity["aliases"])
        assert server.call("GET", "identity/entity/name/person%201")["data"]["metadata"] == {"team": "team-1"}
        assert len(server.call("LIST", "identity/entity-alias/id")["data"]["keys"]) == 6
    finally:
        server.stop()


def test_a_server_in_the_benchmarks_own_process_answers_every_operation() -> None:
    command = [sys.executable, "-m", "bench.inside", "--only", "", "--requests", "32", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [line.partition("  ")[0] for line in lines] == [row.name for row in operations("")]
    assert all("µs of the loop's thread" in line for line in lines)
