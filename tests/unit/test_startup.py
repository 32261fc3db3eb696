"""What a server loads before it is needed costs every start and every idle server its time and memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("aiohttp", "jwt", "psycopg", "pymysql", "pysequoia", "segno", "cryptography.x509")


@pytest.mark.parametrize("module", HEAVY)
def test_starting_does_not_load_what_only_some_requests_need(module: str) -> None:
    code = f"import sys, strongroom.app.server; print({module!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
