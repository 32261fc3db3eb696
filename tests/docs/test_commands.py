"""What the pages tell the reader to type is typed here, against real servers."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, Shell, blocks
from tests.support import certificates
from tests.support.process import SQLITE, Process, clean_environment, running
from tests.support.secure import SecureProcess

README = ROOT / "README.md"
OPERATIONS = ROOT / "docs" / "operations.md"
BIN = Path(sys.executable).parent


def block_with(page: Path, text: str) -> Block:
    """The one block of a page with this in it."""
    (found,) = (block for block in blocks(page) if text in block.text)
    return found


@contextmanager
def started(process: Process) -> Iterator[Process]:
    process.start()
    try:
        yield process
    finally:
        process.stop()


def dev(folder: Path, *args: str) -> Process:
    return Process(folder, args=("-dev", "-dev-listen-address=127.0.0.1:{port}", *args))


def shell(process: Process, replace: Mapping[str, str] | None = None) -> Shell:
    """A shell in the server's folder, with the programs of this environment in front."""
    environment = clean_environment(process.folder)
    environment["PATH"] = f"{BIN}{os.pathsep}{environment['PATH']}"
    return Shell(process.folder, {"127.0.0.1:8200": f"127.0.0.1:{process.port}", **(replace or {})}, environment)


def test_the_first_example_of_the_readme(tmp_path: Path) -> None:
    # `make run` is this command in a folder with a .venv; test_pages.py holds it to that.
    (tmp_path / ".venv").symlink_to(BIN.parent)
    server = dev(tmp_path, "-dev-storage=./data")
    example = block_with(README, "secret/openai")
    exports, *_, last = example.text.splitlines()
    with started(server):
        shown = shell(server).run(example)
        assert "organization    org-..." in shown
        assert shown.endswith("\nsk-proj-...\n")
        server.kill()
        server.start()
        assert shell(server).run(f"{exports}\n{last}") == "sk-proj-...\n"


def test_the_server_for_a_team(tmp_path: Path) -> None:
    (tmp_path / "storage").mkdir()
    certificates.write(tmp_path, "tls")
    server = SecureProcess(tmp_path, args=("-config=config.hcl",))
    console = shell(
        server,
        {
            "/var/lib/strongroom": str(tmp_path / "storage"),
            "/var/log/strongroom": str(tmp_path / "log"),
            "/etc/strongroom": str(tmp_path),
            "0.0.0.0:8200": f"127.0.0.1:{server.port}",
            "vault.example.com:8200": f"127.0.0.1:{server.port}",
        },
    )
    (tmp_path / "config.hcl").write_text(console.fill(block_with(README, 'storage "sqlite" {').text))
    assert block_with(README, "-config=config.hcl").text == "strongroom server -config=config.hcl\n"
    with started(server):
        console.run(f"export VAULT_CACERT={certificates.write_ca(tmp_path)}")
        shown = console.run(block_with(README, "operator init"))
        assert "Success! You are now authenticated" in shown
        assert "Success! Uploaded policy: app" in shown
        assert (tmp_path / "log" / "audit.log").stat().st_size
        token = re.findall(r"^token +(\S+)", shown, re.MULTILINE)[-1]
        console.run("vault kv put secret/app/db password=1")
        assert console.run(f"VAULT_TOKEN={token} vault kv get -field=password secret/app/db").strip() == "1"


@pytest.mark.parametrize(("page", "least"), [("kv.md", 10), ("transit.md", 6), ("totp.md", 2)])
def test_the_commands_of_an_engines_page(page: str, least: int, tmp_path: Path) -> None:
    server = dev(tmp_path)
    with started(server):
        console = shell(server)
        shown = [console.run(block) for block in blocks(ROOT / "docs" / page, "sh")]
    assert len(shown) > least
    assert not any('"errors"' in text for text in shown)


def test_the_key_ceremonies_of_the_operations_page(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        console = shell(server)
        console.run("export VAULT_ADDR=http://127.0.0.1:8200")
        console.run("vault operator init -key-shares=5 -key-threshold=3")
        console.run("vault operator unseal\n" * 3 + "vault login")
        console.run(block_with(OPERATIONS, "vault operator key-status"))

        old = console.keys["Unseal Key"]
        start, give, verify = block_with(OPERATIONS, "rekey -init").text.splitlines()
        shown = console.run(f"{start}\n{give}\n{give}\n{give}")
        new = re.findall(r"^Key \d: (\S+)", shown, re.MULTILINE)
        console.keys["Unseal Key"] = new
        shown = console.run(f"{verify}\n{verify}\n{verify}")
        assert "Success! Rekey verification was successful" in shown
        console.run("vault operator seal\n" + "vault operator unseal\n" * 3 + "vault token lookup")
        assert len(new) == 5
        assert not set(old) & set(new)

        start, give, decode = block_with(OPERATIONS, "generate-root -init").text.splitlines()
        shown = console.run(f"{start}\n{give}\n{give}\n{give}")
        otp = re.findall(r"^OTP +(\S+)", shown, re.MULTILINE)[0]
        encoded = re.findall(r"^Encoded Token +(\S+)", shown, re.MULTILINE)[0]
        token = console.run(decode.replace("ENCODED", encoded).replace("OTP", otp)).strip()
        assert "root" in console.run(f"VAULT_TOKEN={token} vault token lookup -format=json")


def test_a_backup_of_the_operations_page_while_writes_go_on(tmp_path: Path) -> None:
    data, copies = tmp_path / "data", tmp_path / "copies"
    data.mkdir()
    copies.mkdir()
    with running(tmp_path) as server:
        keys = server.init()
        server.unseal(keys)
        server.call("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
        places = {
            "runuser -u strongroom -- ": "",
            "/opt/strongroom/.venv/bin/python": sys.executable,
            "/var/lib/strongroom": str(data),
            "/var/backups/strongroom": str(copies),
        }
        with ThreadPoolExecutor(2) as pool:
            stop = threading.Event()
            written = [pool.submit(keep_writing, server, name, stop) for name in ("a", "b")]
            wait_for(lambda: server.call("GET", "secret/metadata/b")[0] == 200)
            before = server.call("GET", "secret/metadata/a")[1]["data"]["current_version"]
            shell(server, places).run(block_with(OPERATIONS, ".backup"))
            stop.set()
        assert all(job.result() for job in written)
    (copy,) = copies.iterdir()
    copy.rename(copies / "strongroom.db")
    with running(copies, SQLITE.replace("{dir}/data", str(copies))) as restored:
        restored.unseal(keys)
        restored.token = server.token
        status, body = restored.call("GET", "secret/data/a")
        assert status == 200
        assert body["data"]["metadata"]["version"] >= before


def keep_writing(server: Process, name: str, stop: threading.Event) -> int:
    count = 0
    while not stop.is_set():
        status, _ = server.call("POST", f"secret/data/{name}", {"data": {"n": count}})
        assert status == 200
        count += 1
    return count


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)
