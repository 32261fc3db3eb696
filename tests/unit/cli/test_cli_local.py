"""What needs no running server: diagnosing a configuration, migrating a storage, looking into a snapshot."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import certificates
from tests.unit.cli.cli_fakes import Result

from strongroom.app import diagnose, migrate
from strongroom.cli.progress import Metered, Progress, size
from strongroom.cli.ui import UI
from strongroom.core.seal_config import SEAL_CONFIG_KEY
from strongroom.core.snapshot import save
from strongroom.errors import StorageError
from strongroom.storage import open_storage
from strongroom.storage.barrier import KEYRING_KEY
from strongroom.storage.base import FENCE_KEY, Batch
from strongroom.storage.memory import MemoryStorage

ENTRIES = {SEAL_CONFIG_KEY: b"{}", KEYRING_KEY: b"k", "logical/a/x": b"1" * 2000, "logical/b": b"", "sys/p": b"3"}


@pytest.fixture
def vault(tmp_path: Path) -> Any:
    """A process of its own: it hardens itself, and opens databases."""

    def run(*words: str) -> Result:
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        command = [sys.executable, "-m", "strongroom.cli.main", *words]
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False, timeout=60, cwd=tmp_path)
        assert "Traceback" not in done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    return run


def filled(path: Path, entries: dict[str, bytes]) -> None:
    async def fill() -> None:
        storage = open_storage("sqlite", {"path": str(path)})
        await storage.commit(Batch(dict(entries)))
        await storage.close()

    asyncio.run(fill())


def contents(path: Path) -> dict[str, bytes]:
    async def read() -> dict[str, bytes]:
        storage = open_storage("sqlite", {"path": str(path)})
        try:
            return {key: value async for key, value in storage.scan("")}
        finally:
            await storage.close()

    return asyncio.run(read())


@pytest.fixture
def busy() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        yield held.getsockname()[1]


# ------------------------------------------------------------------------------------------------ diagnose
class TestDiagnose:
    def config(
        self, folder: Path, storage: str = "", listener: str = "tls_disable = true", address: str = "127.0.0.1:0"
    ) -> str:
        data = folder / "data"
        data.mkdir(mode=0o700, exist_ok=True)
        file = folder / "config.hcl"
        file.write_text(
            (storage or f'storage "sqlite" {{ path = "{data}/" }}')
            + f'\nlistener "tcp" {{\n  address = "{address}"\n  {listener}\n}}\ndisable_mlock = true\n'
        )
        file.chmod(0o600)
        return str(file)

    def found(self, vault: Any, config: str) -> dict[tuple[str, str], str]:
        return {
            (one["check"].split()[0], one["status"]): one["message"]
            for one in vault("operator", "diagnose", f"-config={config}", "-skip=process", "-format=json").json
        }

    def test_all_is_well_before_the_first_start_and_nothing_is_made(self, vault: Any, tmp_path: Path) -> None:
        result = vault("operator", "diagnose", f"-config={self.config(tmp_path)}", "-skip=process")
        assert "✓  storage " in result.out
        assert "is not there yet and will be made" in result.out
        assert "✗" not in result.out
        assert list((tmp_path / "data").iterdir()) == []

    @pytest.mark.parametrize(("entries", "state"), [(ENTRIES, "is initialized"), ({"a": b""}, "is not initialized")])
    def test_a_storage_that_is_there_is_opened(
        self, vault: Any, tmp_path: Path, entries: dict[str, bytes], state: str
    ) -> None:
        config = self.config(tmp_path)
        filled(tmp_path / "data", entries)
        assert state in self.found(vault, config)["storage", "ok"]

    def test_one_in_use_is_a_warning(self, vault: Any, tmp_path: Path) -> None:
        config = self.config(tmp_path)
        storage = open_storage("sqlite", {"path": str(tmp_path / "data")})
        try:
            assert "in use by another process" in self.found(vault, config)["storage", "warning"]
        finally:
            asyncio.run(storage.close())

    def test_a_damaged_storage_is_a_failure(self, vault: Any, tmp_path: Path) -> None:
        config = self.config(tmp_path)
        (tmp_path / "data" / "strongroom.db").write_bytes(b"no database" * 1000)
        result = vault("operator", "diagnose", f"-config={config}", "-skip=process")
        assert (result.code, "✗  storage" in result.out, "fix: " in result.out) == (1, True, True)

    @pytest.mark.parametrize(
        ("text", "message"), [("storage {", ":1:"), ('storage "nosuch" {}', 'unknown storage type "nosuch"'), ("", "")]
    )
    def test_a_configuration_that_does_not_load_is_the_one_failure(
        self, vault: Any, tmp_path: Path, text: str, message: str
    ) -> None:
        (tmp_path / "bad.hcl").write_text(text)
        result = vault("operator", "diagnose", "-config=bad.hcl", "-format=json")
        assert (result.code, [one["status"] for one in result.json]) == (1, ["failure"])
        assert message in result.json[0]["message"]
        assert result.json[0]["fix"]

    def test_an_address_in_use_is_a_warning(self, vault: Any, tmp_path: Path, busy: int) -> None:
        config = self.config(tmp_path, address=f"127.0.0.1:{busy}")
        assert "address already in use" in self.found(vault, config)["listener", "warning"]

    def test_plain_http_to_others_is_a_warning(self, vault: Any, tmp_path: Path) -> None:
        config = self.config(tmp_path, address="0.0.0.0:0")
        assert "plain HTTP to other machines" in self.found(vault, config)["listener", "warning"]

    def test_certificates_are_examined(self, vault: Any, tmp_path: Path) -> None:
        files = certificates.write(tmp_path, "tls")
        pair = f'tls_cert_file = "{tmp_path}/tls.crt"\n  tls_key_file = "{tmp_path}/tls.key"'
        files.key.chmod(0o644)
        result = vault("operator", "diagnose", f"-config={self.config(tmp_path, listener=pair)}", "-format=json")
        listener = [one for one in result.json if one["check"].startswith("listener")]
        assert any("can be read by others" in one["message"] for one in listener)
        assert any("https://127.0.0.1" in one["message"] for one in listener)

    def test_a_missing_certificate_is_a_failure(self, vault: Any, tmp_path: Path) -> None:
        pair = 'tls_cert_file = "none.crt"\n  tls_key_file = "none.key"'
        assert "cannot be read" in self.found(vault, self.config(tmp_path, listener=pair))["listener", "failure"]

    def test_what_others_may_write_is_a_warning(self, vault: Any, tmp_path: Path) -> None:
        config = self.config(tmp_path)
        Path(config).chmod(0o666)
        (tmp_path / "data").chmod(0o770)
        found = self.found(vault, config)
        assert "can be written by others" in found["configuration", "warning"]
        assert "can be written by others" in found["storage", "warning"]

    def test_memory_is_not_for_keeping(self, vault: Any, tmp_path: Path) -> None:
        config = self.config(tmp_path, storage='storage "inmem" {}')
        assert "keeps nothing" in self.found(vault, config)["storage", "warning"]

    def test_without_a_configuration_there_is_nothing_to_examine(self, vault: Any) -> None:
        assert vault("operator", "diagnose").code == 1

    @pytest.mark.parametrize(("free", "status"), [(1, "failure"), (500 << 20, "warning"), (5 << 30, "ok")])
    def test_room(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, status: str) -> None:
        usage = type("Usage", (), {"free": free})
        monkeypatch.setattr(diagnose.shutil, "disk_usage", lambda _: usage)
        assert diagnose._room(tmp_path / "not" / "there").status == status


# ------------------------------------------------------------------------------------------------ migrate
class TestMigrate:
    @pytest.fixture
    def config(self, tmp_path: Path) -> str:
        (tmp_path / "old").mkdir()
        (tmp_path / "new").mkdir()
        (tmp_path / "m.hcl").write_text(
            f'storage_source "file" {{ path = "{tmp_path}/old" }}\n'
            f'storage_destination "sqlite" {{ path = "{tmp_path}/new/" }}\n'
        )
        return str(tmp_path / "m.hcl")

    def test_everything_but_the_fence_is_copied(self, vault: Any, tmp_path: Path, config: str) -> None:
        filled(tmp_path / "old", {**ENTRIES, FENCE_KEY: b"f"})
        result = vault("operator", "migrate", f"-config={config}")
        assert result == (0, "Success! Copied 5 entries from file to sqlite, and compared them.\n", "")
        assert contents(tmp_path / "new") == ENTRIES
        assert contents(tmp_path / "old")[FENCE_KEY] == b"f"

    def test_a_destination_that_holds_something_is_left_alone(self, vault: Any, tmp_path: Path, config: str) -> None:
        filled(tmp_path / "old", ENTRIES)
        filled(tmp_path / "new", {"there": b"x"})
        result = vault("operator", "migrate", f"-config={config}")
        assert (result.code, "not empty: nothing was copied" in result.err) == (2, True)
        assert contents(tmp_path / "new") == {"there": b"x"}

    def test_it_goes_on_where_it_was_interrupted(self, vault: Any, tmp_path: Path, config: str) -> None:
        filled(tmp_path / "old", ENTRIES)
        filled(tmp_path / "new", {key: value for key, value in ENTRIES.items() if key < "logical/b"})
        assert vault("operator", "migrate", f"-config={config}", "-start=logical/b").code == 0
        assert contents(tmp_path / "new") == ENTRIES

    def test_what_was_there_before_and_differs_is_noticed(self, vault: Any, tmp_path: Path, config: str) -> None:
        filled(tmp_path / "old", ENTRIES)
        filled(tmp_path / "new", {KEYRING_KEY: b"other"})
        result = vault("operator", "migrate", f"-config={config}", "-start=logical/a")
        assert (result.code, "differs from the source" in result.err) == (2, True)

    def test_servers_must_be_stopped(self, vault: Any, tmp_path: Path, config: str) -> None:
        filled(tmp_path / "old", ENTRIES)
        storage = open_storage("file", {"path": str(tmp_path / "old")})
        try:
            result = vault("operator", "migrate", f"-config={config}")
        finally:
            asyncio.run(storage.close())
        assert (result.code, "in use by another process" in result.err) == (2, True)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "there is no storage_source block"),
            ('storage_source "file" { path = "old" }', "there is no storage_destination block"),
            ('storage_source "x" {}', 'unknown storage_source type "x"'),
            ('storage_source "file" { path = "a" }\nstorage_destination "file" { path = "a" }', "is the source"),
            (
                'storage_source "file" { path = "gone" }\nstorage_destination "file" { path = "b" }',
                "no storage at gone",
            ),
            ('storage_source "inmem" {}\nstorage_destination "file" { path = "b" }', "holds nothing beyond"),
            ('storage_source "consul" {}\nstorage_destination "file" { path = "b" }', "does not have it yet"),
            ("{", "m.hcl:1"),
        ],
    )
    def test_what_cannot_be_migrated(self, vault: Any, tmp_path: Path, text: str, message: str) -> None:
        (tmp_path / "m.hcl").write_text(text)
        result = vault("operator", "migrate", "-config=m.hcl")
        assert (result.code, message in result.err) == (2, True), result.err
        assert not (tmp_path / "b").exists()

    def test_a_configuration_is_needed(self, vault: Any) -> None:
        assert vault("operator", "migrate").code == 1
        assert vault("operator", "migrate", "-config=x", "-reset").code == 0

    def test_many_entries_are_copied_in_batches(self) -> None:
        source, destination = MemoryStorage(), MemoryStorage()
        told: list[tuple[int, str]] = []

        async def scenario() -> int:
            await source.commit(Batch({f"k/{number:05}": b"v" for number in range(2500)}))
            return await migrate.copy(source, destination, start="", progress=lambda *now: told.append(now))

        assert asyncio.run(scenario()) == 2500
        assert told == [(1000, "k/00999"), (2000, "k/01999")]

    def test_more_at_the_destination_than_at_the_source_is_noticed(self) -> None:
        source, destination = MemoryStorage(), MemoryStorage()

        async def scenario() -> None:
            await source.commit(Batch({"a": b"1"}))
            await destination.commit(Batch({"b": b"1"}))
            await migrate.copy(source, destination, start="a", progress=lambda *_: None)

        with pytest.raises(StorageError, match="what the source does not"):
            asyncio.run(scenario())


# ------------------------------------------------------------------------------------------------ snapshots
class TestInspect:
    @pytest.fixture
    def snapshot(self, tmp_path: Path) -> Path:
        async def write() -> bytes:
            storage = MemoryStorage()
            await storage.commit(Batch(dict(ENTRIES)))
            return b"".join([chunk async for chunk in save(storage)])

        path = tmp_path / "x.snap"
        path.write_bytes(asyncio.run(write()))
        return path

    def test_it_shows_names_and_sizes(self, vault: Any, snapshot: Path) -> None:
        out = vault("operator", "raft", "snapshot", "inspect", str(snapshot)).out
        assert out.startswith("Entries    5\nSize       2.0 KiB\n")
        assert "logical/a" in out
        deep = vault("operator", "raft", "snapshot", "inspect", "-depth=1", "-format=json", str(snapshot)).json
        assert [(part["name"], part["entries"]) for part in deep["parts"]] == [("logical", 2), ("core", 2), ("sys", 1)]

    @pytest.mark.parametrize("cut", [0, 1, 60, -1])
    def test_one_that_is_cut_short_is_refused(self, vault: Any, snapshot: Path, cut: int) -> None:
        snapshot.write_bytes(snapshot.read_bytes()[:cut])
        result = vault("operator", "raft", "snapshot", "inspect", str(snapshot))
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith("Error inspecting snapshot: ")

    def test_what_is_not_there_and_wrong_use(self, vault: Any) -> None:
        assert "no such file" in vault("operator", "raft", "snapshot", "inspect", "none").err
        assert vault("operator", "raft", "snapshot", "inspect").code == 1
        assert vault("operator", "raft", "snapshot", "inspect", "-depth=0", "none").code == 1


# ------------------------------------------------------------------------------------------------ progress
class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_shows_on_a_terminal_alone() -> None:
    for stream, shown in ((Terminal(), "\r\x1b[KSaving: 2.0 KiB (50 %)\r\x1b[K"), (io.StringIO(), "")):
        line = Progress(UI(io.StringIO(), io.StringIO(), stream, {}), "Saving", 4096)
        file = Metered(io.BytesIO(), line)
        file.write(b"x" * 2048)
        line.end()
        assert stream.getvalue() == shown


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 << 20, "5.0 MiB"), (3 << 40, "3072.0 GiB")]
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text
