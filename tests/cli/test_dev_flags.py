"""What flags make of a development server."""

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.support.dev_server import running_server

from strongroom.app.dev import dev_config
from strongroom.errors import ConfigError


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


@pytest.mark.parametrize(
    ("address", "full"),
    [("", "127.0.0.1:8200"), ("0.0.0.0", "0.0.0.0:8200"), (":8300", "0.0.0.0:8300"), ("::1", "[::1]:8200")],
)
def test_an_address_needs_no_port(address: str, full: str) -> None:
    (listener,) = dev_config(address, "").listeners
    assert (listener.address, f":{listener.port}") == (full, full[full.rindex(":") :])


@pytest.mark.parametrize("address", ["host:port", "a b", "127.0.0.1:70000", "http://x"])
def test_what_is_no_address_is_named(address: str) -> None:
    with pytest.raises(ConfigError, match="is no address to listen on"):
        dev_config(address, "")
