"""A terminal without one, and a server that is none."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.cli.cli_fakes import FakeServer, Result, Vault

from strongroom.cli.main import execute
from strongroom.cli.ui import UI


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()
    yield fake
    fake.close()


@pytest.fixture
def vault(server: FakeServer, tmp_path: Path) -> Vault:
    """Run a command line in this process: `vault("read", "a", stdin="", VAULT_FORMAT="json")`."""

    def run(*words: str, stdin: str | bytes = "", prog: str = "vault", **env: str) -> Result:
        raw = stdin.encode() if isinstance(stdin, str) else stdin
        inp = io.TextIOWrapper(io.BytesIO(raw), "utf-8")
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
        variables = {"HOME": str(tmp_path), "VAULT_ADDR": server.address, "VAULT_TOKEN": "root", **env}
        code = execute(list(words), UI(inp, out, err, variables), variables, prog)
        texts = []
        for stream in (out, err):
            stream.flush()
            texts.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
        return Result(code, *texts)

    return run
