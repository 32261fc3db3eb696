from __future__ import annotations

import base64

import pytest
from tests.unit.auth.own_server import data, ok, refused
from tests.unit.system.whole import WholeServer, served

from strongroom.errors import MULTI

PATH = "sys/policies/password"
PIN = 'length = 6\nrule "charset" {\n  charset = "7"\n}\n'
ABSENT = ("NotFound", MULTI.format("policy does not exist"))


def test_policies_are_written_read_used_replaced_kept_and_deleted() -> None:
    async def scenario(server: WholeServer) -> None:
        assert refused(await server.read(f"{PATH}/pin")) == ABSENT
        assert ok(await server.write(f"{PATH}/pin", policy=PIN)).empty
        await server.restart()
        assert data(await server.read(f"{PATH}/pin")) == {"policy": PIN}
        assert data(await server.read(f"{PATH}/pin/generate")) == {"password": "777777"}
        ok(await server.write(f"{PATH}/pin", policy=PIN.replace("7", "x").replace("6", "8")))
        assert data(await server.read(f"{PATH}/pin/generate")) == {"password": "xxxxxxxx"}
        for _ in range(2):
            assert ok(await server.delete(f"{PATH}/pin")).empty
        assert refused(await server.read(f"{PATH}/pin/generate")) == ABSENT

    served(scenario)


def test_a_policy_may_come_in_base64() -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write(f"{PATH}/p", policy=base64.b64encode(PIN.encode()).decode()))
        assert data(await server.read(f"{PATH}/p")) == {"policy": PIN}

    served(scenario)


def test_names_are_listed_by_folder() -> None:
    async def scenario(server: WholeServer) -> None:
        assert refused(await server.list(PATH)) == ("NotFound", "")
        for name in ("a", "team/b", "team/c/d"):
            ok(await server.write(f"{PATH}/{name}", policy=PIN))
        assert data(await server.list(PATH)) == {"keys": ["a", "team/"]}
        assert data(await server.list(f"{PATH}/team")) == {"keys": ["b", "c/"]}
        assert refused(await server.list(f"{PATH}/nothing")) == ("NotFound", "")
        assert data(await server.read(f"{PATH}/team/c/d/generate")) == {"password": "777777"}

    served(scenario)


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ("", "missing policy"),
        (None, "missing policy"),
        ("length = 10", "invalid password policy: 1 error occurred:\n\t* no charset specified\n\n"),
        (PIN.replace("6", "2"), "passwords must be between 4 and 100 characters"),
    ],
)
def test_bad_policies_are_refused_and_change_nothing(policy: str | None, text: str) -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write(f"{PATH}/p", policy=PIN))
        assert refused(await server.write(f"{PATH}/p", policy=policy)) == ("BadRequest", MULTI.format(text))
        assert data(await server.read(f"{PATH}/p")) == {"policy": PIN}

    served(scenario)
