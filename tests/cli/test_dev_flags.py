"""What flags make of a development server."""

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.support.dev_server import running_server


def asked(address: str, path: str) -> Any:
    request = urllib.request.Request(f"{address}/v1/{path}", headers={"X-Vault-Token": "root"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@pytest.mark.parametrize(
    ("flag", "options"), [("", {"version": "2"}), ("-dev-kv-v1", {"version": "1"}), ("-dev-no-kv", None)]
)
def test_kv_at_secret(tmp_path: Path, flag: str, options: dict[str, str] | None) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    with running_server("dev", tmp_path, env, *([flag] if flag else [])) as address:
        mount = asked(address, "sys/mounts")["data"].get("secret/")
        assert (mount and mount["options"]) == options
        assert (tmp_path / ".vault-token").read_text() == "root"


def test_one_can_be_left_for_init(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    with running_server("dev", tmp_path, env, "-dev-skip-init") as address:
        assert asked(address, "sys/init") == {"initialized": False}
        assert not (tmp_path / ".vault-token").exists()
