"""Engines and auth methods of other Python packages: found by their entry points, and no danger to ours."""

from __future__ import annotations

import importlib
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.auth.own_server import data, ok, refused
from tests.unit.system.whole import WholeServer, served

from strongroom.api.backend import Backend, backend
from strongroom.api.routes import Engine
from strongroom.app.installed import installed
from strongroom.databases import plugins, version_of

MODULE = '''
from strongroom.api.args import Args, field
from strongroom.api.backend import Backend, backend
from strongroom.api.messages import Auth, Response
from strongroom.api.routes import Engine

engine = Engine("acme", help="Says who asks.")
method = Engine("acme", kind="auth", help="Lets everybody in.")
number = 5
core = backend(Engine("acme-core"), privileged=True, mountable=False)
ours = Engine("kv")
alias = Backend("other", "secret", lambda _: engine, aliases={"kv-v2": {}})
name = Engine("a/b")
system = Engine("system")
again = Engine("acme")


@engine.read("who")
async def who(ctx):
    """Say who asks."""
    return {"name": ctx.caller.display_name}


@method.write("login", unauthenticated=True, login=True)
async def login(ctx):
    """Log in."""
    return Response(auth=Auth(policies=["default"], display_name="acme"))
'''


class Package:
    """A distribution in a folder of the path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def offer(self, **groups: dict[str, str]) -> None:
        about = self._folder / "acme-1.2.3.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.2.3\n")
        lines = []
        for group, points in groups.items():
            lines.append(f"[strongroom.{group}]")
            lines += [f"{name} = {value}" for name, value in points.items()]
        (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
        (self._folder / "acme_plugins.py").write_text(MODULE)
        importlib.invalidate_caches()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Package(tmp_path)
    sys.modules.pop("acme_plugins", None)


KNOWN = (
    Backend("kv", "secret", lambda _: Engine("kv"), aliases={"kv-v2": {"version": "2"}}),
    backend(Engine("system", kind="system"), mountable=False),
)


def rows(found: list[Backend]) -> list[tuple[str, str, str]]:
    return [(row.kind, row.type, row.version) for row in found]


def test_a_packages_engines_and_methods_are_found_with_its_version(package: Package) -> None:
    package.offer(engines={"acme": "acme_plugins:engine"}, auth={"acme": "acme_plugins:method"})
    assert rows(installed(KNOWN)) == [("secret", "acme", "v1.2.3"), ("auth", "acme", "v1.2.3")]


def test_a_package_gets_neither_the_core_nor_a_mount_of_its_own(package: Package) -> None:
    package.offer(engines={"core": "acme_plugins:core"})
    (row,) = installed(KNOWN)
    assert (row.privileged, row.mountable) == (False, True)


@pytest.mark.parametrize(
    ("group", "value", "reason"),
    [
        ("engines", "acme_plugins:number", "neither an Engine nor a Backend"),
        ("engines", "acme_plugins:method", "neither an Engine nor a Backend of the kind secret"),
        ("auth", "acme_plugins:engine", "neither an Engine nor a Backend of the kind auth"),
        ("engines", "acme_plugins:nothing", "nothing"),
        ("engines", "acme_nowhere:engine", "acme_nowhere"),
        ("engines", "acme_plugins:ours", "there is a type named kv already"),
        ("engines", "acme_plugins:alias", "there is a type named other already"),
        ("engines", "acme_plugins:system", "there is a type named system already"),
        ("engines", "acme_plugins:name", "its type is no name"),
    ],
)
def test_what_cannot_be_taken_is_logged_and_the_rest_is_there(
    package: Package, caplog: pytest.LogCaptureFixture, group: str, value: str, reason: str
) -> None:
    points: dict[str, Any] = {"engines": {"good": "acme_plugins:again"}}
    points.setdefault(group, {})["bad"] = value
    package.offer(**points)
    with caplog.at_level(logging.ERROR):
        assert rows(installed(KNOWN)) == [("secret", "acme", "v1.2.3")]
    assert reason in caplog.text


def test_of_two_packages_with_one_type_the_first_by_name_is_taken(
    package: Package, caplog: pytest.LogCaptureFixture
) -> None:
    package.offer(engines={"a": "acme_plugins:again", "b": "acme_plugins:engine"})
    with caplog.at_level(logging.ERROR):
        assert len(installed(KNOWN)) == 1
    assert "the entry point b of the group strongroom.engines is left out" in caplog.text


def test_a_packages_engine_is_mounted_served_and_shown_as_what_it_is(package: Package) -> None:
    package.offer(engines={"acme": "acme_plugins:engine"}, auth={"acme": "acme_plugins:method"})

    async def scenario(server: WholeServer) -> None:
        assert "acme" in data(await server.read("sys/plugins/catalog"))["secret"]
        shown = data(await server.read("sys/plugins/catalog/secret/acme"))
        assert (shown["builtin"], shown["version"], "deprecation_status" in shown) == (False, "v1.2.3", False)
        ok(await server.write("sys/mounts/mine", type="acme", config={"plugin_version": "v1.2.3"}))
        assert refused(await server.write("sys/mounts/mine/tune", plugin_version="v1.2.4"))[0] == "BadRequest"
        shown = data(await server.read("sys/mounts/mine"))
        assert (shown["type"], shown["running_plugin_version"], shown["deprecation_status"]) == ("acme", "v1.2.3", "")
        assert data(await server.read("mine/who")) == {"name": "token"}
        ok(await server.write("sys/auth/door", type="acme"))
        auth = ok(await server.write("auth/door/login", by="")).auth
        assert auth is not None
        assert auth.display_name.endswith("acme")

    served(scenario)


def test_the_audit_log_has_the_packages_version(package: Package, tmp_path: Path) -> None:
    package.offer(engines={"acme": "acme_plugins:engine"})
    log = tmp_path / "audit.log"

    async def scenario(server: WholeServer) -> None:
        ok(await server.write("sys/mounts/mine", type="acme"))
        ok(await server.write("sys/audit/file", type="file", options={"file_path": str(log)}))
        ok(await server.read("mine/who"))

    served(scenario)
    asked, answered = [json.loads(line) for line in log.read_text().splitlines()][-2:]
    assert asked["request"]["mount_running_version"] == "v1.2.3"
    assert answered["response"]["mount_running_plugin_version"] == "v1.2.3"


def test_our_database_plugins_have_no_package() -> None:
    assert {version_of(name) for name in plugins()} == {""}
