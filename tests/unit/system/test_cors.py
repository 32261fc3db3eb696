from __future__ import annotations

from typing import Any

import pytest
from tests.unit.auth.own_server import data, ok, refused
from tests.unit.system.whole import WholeServer, limited, served

from strongroom.api.messages import Operation
from strongroom.core.cors import HEADERS, Cors, CorsEntry
from strongroom.errors import MULTI, PermissionDenied, UnsupportedOperation

PATH = "sys/config/cors"
HERE = "https://a.example"


def cors(*origins: str, headers: tuple[str, ...] = ()) -> Cors:
    made = Cors(None)  # type: ignore[arg-type]
    made.apply(CorsEntry(origins, headers))
    return made


@pytest.mark.parametrize(
    ("origins", "origin"), [((), HERE), ((), ""), ((HERE,), ""), (("*",), "")], ids=["off", "off-none", "none", "any"]
)
def test_without_settings_or_without_an_origin_nothing_is_judged(origins: tuple[str, ...], origin: str) -> None:
    assert cors(*origins).check(origin) == {}
    assert cors(*origins).preflight(origin, "GET") is None


@pytest.mark.parametrize("origins", [(HERE,), ("https://b.example", HERE), ("*",)])
def test_an_allowed_origin_is_named_in_the_answer(origins: tuple[str, ...]) -> None:
    assert cors(*origins).check(HERE) == {"Access-Control-Allow-Origin": HERE, "Vary": "Origin"}


@pytest.mark.parametrize(
    "origin",
    [
        "http://a.example",
        "https://a.example:443",
        "https://a.example.evil",
        "https://A.example",
        "null",
        "*",
        HERE[:-1],
    ],
)
def test_any_other_origin_is_refused(origin: str) -> None:
    for judge in (lambda: cors(HERE).check(origin), lambda: cors(HERE).preflight(origin, "GET")):
        with pytest.raises(PermissionDenied) as caught:
            judge()
        assert caught.value.errors == ["origin not allowed"]


def test_a_preflight_says_what_may_be_sent() -> None:
    headers = cors(HERE, headers=("X-Mine",)).preflight(HERE, "LIST")
    assert headers is not None
    assert headers["Access-Control-Allow-Origin"] == HERE
    assert headers["Access-Control-Allow-Methods"] == "DELETE,GET,LIST,OPTIONS,PATCH,POST,PUT"
    assert headers["Access-Control-Allow-Headers"].split(",") == [*HEADERS, "X-Mine"]
    assert headers["Access-Control-Max-Age"] == "300"


@pytest.mark.parametrize("method", ["", "TRACE", "get"])
def test_a_preflight_for_another_method_is_refused(method: str) -> None:
    with pytest.raises(UnsupportedOperation) as caught:
        cors(HERE).preflight(HERE, method)
    assert caught.value.errors == []


def test_settings_are_written_read_kept_and_deleted() -> None:
    async def scenario(server: WholeServer) -> None:
        assert data(await server.read(PATH)) == {"enabled": False}
        body = {"allowed_origins": f"{HERE}, https://b.example", "allowed_headers": ["X-Mine", "x-vault-token"]}
        assert ok(await server.write(PATH, **body)).empty
        shown = {
            "enabled": True,
            "allowed_origins": [HERE, "https://b.example"],
            "allowed_headers": [*HEADERS, "X-Mine"],
        }
        assert data(await server.read(PATH)) == shown
        await server.restart()
        assert data(await server.read(PATH)) == shown
        assert server.live.cors.check(HERE)
        assert ok(await server.delete(PATH)).empty
        assert data(await server.read(PATH)) == {"enabled": False}
        await server.restart()
        assert not server.live.cors.enabled

    served(scenario)


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        ({}, "InternalError", MULTI.format("at least one origin or the wildcard must be provided")),
        (
            {"allowed_origins": ""},
            "InternalError",
            MULTI.format("at least one origin or the wildcard must be provided"),
        ),
        (
            {"allowed_origins": ["*", HERE]},
            "InternalError",
            MULTI.format("to allow all origins the '*' must be the only value for allowed_origins"),
        ),
        (
            {"allowed_origins": "*", "allowed_headers": ["X-A\r\nX-B: 1"]},
            "BadRequest",
            "'X-A\\r\\nX-B: 1' is no header name",
        ),
    ],
)
def test_bad_settings_are_refused_and_change_nothing(body: dict[str, Any], kind: str, text: str) -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write(PATH, allowed_origins=HERE))
        assert refused(await server.write(PATH, **body)) == (kind, text)
        assert data(await server.read(PATH))["allowed_origins"] == [HERE]

    served(scenario)


def test_settings_need_sudo() -> None:
    async def scenario(server: WholeServer) -> None:
        token = await limited(server, "read", "update", "delete")
        for operation in (Operation.READ, Operation.UPDATE, Operation.DELETE):
            assert refused(await server.ask(operation, PATH, token))[0] == "PermissionDenied"

    served(scenario)
