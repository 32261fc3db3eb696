from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.unit.auth.own_server import data, ok, refused
from tests.unit.system.whole import WholeServer, limited, served

from strongroom.api.messages import Operation
from strongroom.core.ui_headers import canonical

PATH = "sys/config/ui/headers"


@pytest.mark.parametrize(
    ("name", "shown"), [("x-custom", "X-Custom"), ("CONTENT-type", "Content-Type"), ("a", "A"), ("x--y", "X--Y")]
)
def test_names_have_one_way_of_writing(name: str, shown: str) -> None:
    assert canonical(name) == shown


def test_headers_are_set_read_in_any_case_listed_kept_and_deleted() -> None:
    async def scenario(server: WholeServer) -> None:
        assert refused(await server.list(PATH)) == ("NotFound", "")
        answer = ok(await server.write(f"{PATH}/x-CUSTOM", values=["one, really", "two"]))
        assert answer.data == msgspec.Raw(b"null")  # a body without data
        ok(await server.write(f"{PATH}/A-First", values="x"))
        assert data(await server.list(PATH)) == {"keys": ["A-First", "X-Custom"]}
        await server.restart()
        assert data(await server.read(f"{PATH}/X-Custom")) == {"value": "one, really"}
        both = await server.ask(Operation.READ, f"{PATH}/x-custom", multivalue="true")
        assert data(both) == {"values": ["one, really", "two"]}
        for _ in range(2):  # once there, once not
            assert ok(await server.delete(f"{PATH}/X-custom")).empty
        assert refused(await server.read(f"{PATH}/X-Custom")) == ("NotFound", "")

    served(scenario)


def test_another_content_security_policy_is_warned_of() -> None:
    async def scenario(server: WholeServer) -> None:
        answer = ok(await server.write(f"{PATH}/content-security-policy", values="default-src 'self'"))
        assert answer.warnings == [
            "overriding default Content-Security-Policy which is secure by default, proceed with caution"
        ]

    served(scenario)


@pytest.mark.parametrize(
    ("name", "body", "text"),
    [
        ("X-Empty", {}, "header and values must be specified"),
        ("X-Empty", {"values": []}, "header and values must be specified"),
        ("X-Vault-Thing", {"values": "x"}, "X-Vault headers cannot be set"),
        ("x-vAULT-", {"values": "x"}, "X-Vault headers cannot be set"),
        ("X Y", {"values": "x"}, "the header's name holds characters that no header's name may"),
        ("X-Ä", {"values": "x"}, "the header's name holds characters that no header's name may"),
        ("X-A", {"values": ["x\r\nSet-Cookie: a=b"]}, "a value holds characters that no header's value may"),
        ("X-A", {"values": ["fine", "\x00"]}, "a value holds characters that no header's value may"),
        ("X-A", {"values": ["π"]}, "a value holds characters that no header's value may"),
    ],
)
def test_what_is_no_header_is_refused(name: str, body: dict[str, Any], text: str) -> None:
    async def scenario(server: WholeServer) -> None:
        assert refused(await server.write(f"{PATH}/{name}", **body)) == ("BadRequest", text)
        assert refused(await server.list(PATH)) == ("NotFound", "")

    served(scenario)


def test_headers_need_sudo() -> None:
    async def scenario(server: WholeServer) -> None:
        token = await limited(server, "create", "read", "update", "delete", "list")
        assert refused(await server.list(PATH, token))[0] == "PermissionDenied"
        for operation in (Operation.READ, Operation.UPDATE, Operation.DELETE):
            assert refused(await server.ask(operation, f"{PATH}/X-A", token))[0] == "PermissionDenied"

    served(scenario)
