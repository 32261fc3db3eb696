"""Login MFA: who must bring a second factor, how it is brought, and what does not count as one."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.auth.own_server import Answer, Server, data, idle, ok, played, refused

from strongroom.api.messages import Operation, Request
from strongroom.clock import ManualClock, new_uuid
from strongroom.core.mfa import MOST_EACH, TIME, LoginMFA
from strongroom.core.mfa_attempts import LONGEST, QUIET, Attempts, TooMany
from strongroom.core.mfa_model import SECRET, Secret
from strongroom.crypto import otp, otp_url
from strongroom.errors import BadRequest, RequestError
from strongroom.pipeline import handle
from strongroom.system.mfa import credentials

PASSWORD = "correct horse"
LISTS = "auth_method_accessors, auth_method_types, identity_group_ids, identity_entity_ids"


class People(Server):
    """A server with a user, a TOTP method, and an enforcement for the user's mount."""

    method = ""
    accessor = ""
    entity = ""
    key = b""

    async def login(self, header: str | None = None, name: str = "ann", wrap_ttl: int = 0) -> Answer:
        request = Request(
            id=new_uuid(),
            operation=Operation.UPDATE,
            path=f"auth/userpass/login/{name}",
            data={"password": PASSWORD},
            headers={} if header is None else {"x-vault-mfa": header},
            wrap_ttl=wrap_ttl,
            remote_address="127.0.0.1",
        )
        try:
            return await handle(self.core, request)
        except RequestError as e:
            return e

    async def begin(self) -> str:
        """Log in with the password alone; returns the id of what waits."""
        auth = ok(await self.login()).auth
        assert auth is not None
        assert auth.mfa_requirement is not None
        assert not auth.client_token
        return str(auth.mfa_requirement["mfa_request_id"])

    def code(self, steps: int = 0) -> str:
        return otp.hotp(self.key, otp.counter_at(int(self.clock.now()), 30) + steps, 6, "SHA1")

    async def validate(self, request_id: str, code: str, by: str = "") -> Answer:
        return await self.write("sys/mfa/validate", by, mfa_request_id=request_id, mfa_payload={self.method: [code]})


def with_people(scenario: Any, *, secret: bool = True, enforce: bool = True, **method: Any) -> Any:
    async def work(server: Server) -> Any:
        people = People(server.core, server.clock)
        ok(await people.write("sys/auth/userpass", type="userpass"))
        ok(await people.write("auth/userpass/users/ann", password=PASSWORD, token_policies=["p"]))
        login = ok(await people.login()).auth
        assert login is not None
        people.entity = login.entity_id
        people.method = data(await people.write("identity/mfa/method/totp", issuer="S", **method))["method_id"]
        mount = people.live.mounts.by_path("auth/userpass/")
        assert mount is not None
        people.accessor = mount.info.accessor
        if enforce:
            ok(await people.write("identity/mfa/login-enforcement/all", **people_args(people)))
        if secret:
            made = data(await people.write("identity/mfa/method/totp/admin-generate", **ids(people)))
            people.key = otp_url.decode_key(otp_url.parse_url(made["url"]).key)
        return await scenario(people)

    return played(work)


def people_args(people: People) -> dict[str, Any]:
    return {"mfa_method_ids": [people.method], "auth_method_accessors": [people.accessor]}


def ids(people: People) -> dict[str, str]:
    return {"method_id": people.method, "entity_id": people.entity}


# -- Two phases --------------------------------------------------------------------------------------------------------


def test_a_login_waits_until_its_code_is_validated():
    async def work(people: People) -> None:
        answer = ok(await people.login())
        assert answer.auth is not None
        assert answer.auth.client_token == answer.auth.accessor == answer.auth.entity_id == ""
        needs = answer.auth.mfa_requirement
        assert needs is not None
        method = {"type": "totp", "id": people.method, "uses_passcode": True}
        assert needs["mfa_constraints"] == {"all": {"any": [method]}}
        assert answer.warnings[-1].startswith("A login request was issued that is subject to MFA validation.")
        auth = ok(await people.validate(needs["mfa_request_id"], people.code())).auth
        assert auth is not None
        assert (auth.entity_id, auth.token_policies, auth.metadata) == (
            people.entity,
            ["default", "p"],
            {"username": "ann"},
        )
        found = data(await people.read("auth/token/lookup-self", auth.client_token))
        assert (found["path"], found["entity_id"]) == ("auth/userpass/login/ann", people.entity)
        assert refused(await people.validate(needs["mfa_request_id"], people.code(1))) == (
            "BadRequest",
            "invalid request ID",
        )

    with_people(work)


def test_no_token_is_stored_before_the_second_factor():
    async def work(people: People) -> None:
        before = data(await people.list("auth/token/accessors"))["keys"]
        for _ in range(3):
            await people.begin()
        assert data(await people.list("auth/token/accessors"))["keys"] == before

    with_people(work)


def test_a_code_lets_in_once():
    async def work(people: People) -> None:
        code = people.code()
        ok(await people.validate(await people.begin(), code))
        waiting = await people.begin()
        kind, text = refused(await people.validate(waiting, code))
        assert kind == "PermissionDenied"
        assert "code already used; new code is available in 30 seconds" in text
        ok(await people.validate(waiting, people.code(1)))

    with_people(work)


def test_of_logins_with_one_code_at_once_one_gets_in():
    async def work(people: People) -> None:
        waiting = [await people.begin() for _ in range(4)]
        answers = await asyncio.gather(*(people.validate(one, people.code()) for one in waiting))
        assert [isinstance(answer, RequestError) for answer in answers].count(False) == 1

    with_people(work)


def test_one_login_is_validated_once_at_a_time():
    async def work(people: People) -> None:
        waiting = await people.begin()
        answers = await asyncio.gather(*(people.validate(waiting, people.code(step)) for step in (0, 1)))
        assert [isinstance(answer, RequestError) for answer in answers].count(False) == 1

    with_people(work)


def test_a_code_stays_used_across_sealing():
    async def work(people: People) -> None:
        code = people.code()
        ok(await people.validate(await people.begin(), code))
        waiting = await people.begin()
        await people.core.seal_now()
        await people.core.unsealed_with(bytes(32))
        assert refused(await people.validate(waiting, people.code(1)))[1] == "invalid request ID"
        assert "code already used" in refused(await people.validate(await people.begin(), code))[1]

    with_people(work)


def test_wrong_codes_are_counted_and_the_login_waits_on():
    async def work(people: People) -> None:
        waiting = await people.begin()
        for _ in range(2):
            kind, text = refused(await people.validate(waiting, "000000"))
            assert kind == "PermissionDenied"
            assert text == (
                "failed to satisfy enforcement all. error: 2 errors occurred:\n\t* failed to validate TOTP passcode"
                f"\n\t* login MFA validation failed for methodID: [{people.method}]\n\n"
            )
        kind, text = refused(await people.validate(await people.begin(), people.code()))
        assert "maximum TOTP validation attempts 3 exceeded the allowed attempts 2" in text
        people.clock.advance(30)
        ok(await people.validate(waiting, people.code()))

    with_people(work, max_validation_attempts=2)


def test_a_login_does_not_wait_for_ever():
    async def work(people: People) -> None:
        waiting = await people.begin()
        people.clock.advance(TIME)
        assert refused(await people.validate(waiting, people.code())) == ("BadRequest", "invalid request ID")

    with_people(work)


def test_of_one_entity_only_so_many_logins_wait():
    async def work(people: People) -> None:
        first = await people.begin()
        for _ in range(MOST_EACH):
            await people.begin()
        assert people.live.mfa.take(first) is None
        assert len(people.live.mfa._pending) == MOST_EACH
        assert list(people.live.mfa._of_entity) == [people.entity]

    with_people(work)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "missing request ID"),
        ({"mfa_request_id": "x"}, "missing mfa payload"),
        ({"mfa_request_id": "x", "mfa_payload": 1}, "invalid mfa payload"),
        ({"mfa_request_id": "x", "mfa_payload": {"m": [1]}}, "invalid mfa payload"),
        ({"mfa_request_id": "x", "mfa_payload": {"m": ["1"]}}, "invalid request ID"),
    ],
)
def test_what_cannot_be_validated(body, text):
    async def work(server: Server) -> None:
        assert refused(await server.write("sys/mfa/validate", "", **body)) == ("BadRequest", text)

    played(work)


def test_a_login_ends_with_what_it_depends_on():
    async def work(people: People) -> None:
        waiting = await people.begin()
        ok(await people.write(f"identity/entity/id/{people.entity}", disabled=True))
        assert refused(await people.validate(waiting, people.code()))[0] == "PermissionDenied"
        ok(await people.write(f"identity/entity/id/{people.entity}", disabled=False))
        waiting = await people.begin()
        ok(await people.delete("sys/auth/userpass"))
        assert refused(await people.validate(waiting, people.code()))[0] == "PermissionDenied"

    with_people(work)


def test_the_token_of_a_validation_can_be_wrapped_and_the_requirement_is_not():
    async def work(people: People) -> None:
        answer = ok(await people.login(wrap_ttl=60))
        assert answer.wrap is None
        assert answer.auth is not None
        assert answer.auth.mfa_requirement is not None
        end = await people.ask(
            Operation.UPDATE,
            "sys/mfa/validate",
            "",
            60,
            mfa_request_id=answer.auth.mfa_requirement["mfa_request_id"],
            mfa_payload={people.method: [people.code()]},
        )
        wrap = ok(end).wrap
        assert wrap is not None
        assert wrap.wrapped_accessor

    with_people(work)


# -- One phase ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{id}:{code}", "{name}:{code}", "{id}:passcode={code}", "other:1, {id}:{code}"])
def test_a_header_brings_the_second_factor_along(form):
    async def work(people: People) -> None:
        header = form.format(id=people.method, name="phone", code=people.code())
        auth = ok(await people.login(header)).auth
        assert auth is not None
        assert auth.client_token
        assert refused(await people.login(header))[0] == "PermissionDenied", "the code is used up"

    with_people(work, method_name="phone")


@pytest.mark.parametrize("form", ["{id}:000000", "{id}", "other:{code}"])
def test_a_header_that_does_not_do_is_refused_without_words(form):
    async def work(people: People) -> None:
        answer = await people.login(form.format(id=people.method, code=people.code()))
        assert refused(answer) == ("PermissionDenied", "1 error occurred:\n\t* permission denied\n\n")
        assert isinstance(answer, RequestError)
        assert answer.reason.startswith("enforcement all: ")

    with_people(work)


@pytest.mark.parametrize("header", [":123456", "m:"])
def test_a_header_that_says_nothing(header):
    async def work(people: People) -> None:
        kind, text = refused(await people.login(header))
        assert kind == "BadRequest"
        assert text.startswith('invalid data in header "X-Vault-MFA"')

    with_people(work)


def test_several_headers_count_together():
    class Headers(dict[str, str]):
        def all(self, name: str) -> list[str]:
            return ["other:1", self[name]]

    async def work(people: People) -> None:
        request = Request(
            id="r",
            operation=Operation.UPDATE,
            path="auth/userpass/login/ann",
            data={"password": PASSWORD},
            headers=Headers({"x-vault-mfa": f"{people.method}:{people.code()}"}),
        )
        auth = (await handle(people.core, request)).auth
        assert auth is not None
        assert auth.client_token

    with_people(work)


# -- Who falls under it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["auth_method_types", "identity_entity_ids", "identity_group_ids", "above"])
def test_whatever_list_applies(by):
    async def work(people: People) -> None:
        group = data(await people.write("identity/group", name="g", member_entity_ids=[people.entity]))["id"]
        above = data(await people.write("identity/group", name="h", member_group_ids=[group]))["id"]
        values = {
            "auth_method_types": ("auth_method_types", "userpass"),
            "identity_entity_ids": ("identity_entity_ids", people.entity),
            "identity_group_ids": ("identity_group_ids", group),
            "above": ("identity_group_ids", above),
        }
        name, value = values[by]
        ok(await people.write("identity/mfa/login-enforcement/x", mfa_method_ids=[people.method], **{name: [value]}))
        ok(await people.validate(await people.begin(), people.code()))
        ok(await people.write("auth/userpass/users/bob", password=PASSWORD))
        auth = ok(await people.login(name="bob")).auth
        assert auth is not None
        assert bool(auth.mfa_requirement) is (by == "auth_method_types")

    with_people(work, enforce=False)


def test_each_enforcement_has_to_be_satisfied_and_one_code_may_do_for_several():
    async def work(people: People) -> None:
        second = data(await people.write("identity/mfa/method/totp", issuer="T"))["method_id"]
        scope = {"auth_method_types": ["userpass"]}
        ok(await people.write("identity/mfa/login-enforcement/both", mfa_method_ids=[second, people.method], **scope))
        ok(await people.validate(await people.begin(), people.code()))
        ok(await people.write("identity/mfa/login-enforcement/both", mfa_method_ids=[second], **scope))
        kind, text = refused(await people.validate(await people.begin(), people.code(1)))
        assert kind == "PermissionDenied"
        assert "enforcement both" in text
        made = data(
            await people.write("identity/mfa/method/totp/admin-generate", method_id=second, entity_id=people.entity)
        )
        key = otp_url.decode_key(otp_url.parse_url(made["url"]).key)
        other = otp.hotp(key, otp.counter_at(int(people.clock.now()), 30), 6, "SHA1")
        payload = {people.method: [people.code(1)], second: other}
        waiting = await people.begin()
        ok(await people.write("sys/mfa/validate", "", mfa_request_id=waiting, mfa_payload=json.dumps(payload)))

    with_people(work)


def test_who_has_no_secret_does_not_get_in():
    async def work(people: People) -> None:
        kind, text = refused(await people.validate(await people.begin(), "123456"))
        assert kind == "PermissionDenied"
        assert "not present in entity" in text

    with_people(work, secret=False)


def test_an_enforcement_that_goes_asks_for_nothing_more():
    async def work(people: People) -> None:
        waiting = await people.begin()
        ok(await people.delete("identity/mfa/login-enforcement/all"))
        assert refused(await people.validate(waiting, people.code()))[0] == "BadRequest"
        auth = ok(await people.login()).auth
        assert auth is not None
        assert auth.client_token

    with_people(work)


# -- Methods, enforcements, secrets ------------------------------------------------------------------------------------


def test_a_method_is_read_back_changed_and_deleted():
    async def work(people: People) -> None:
        expected = {
            "algorithm": "SHA1",
            "digits": 6,
            "id": people.method,
            "issuer": "S",
            "key_size": 20,
            "max_validation_attempts": 5,
            "name": "",
            "namespace_id": "root",
            "namespace_path": "",
            "period": 30,
            "qr_size": 200,
            "skew": 1,
            "type": "totp",
        }
        for path in ("", "totp/"):
            assert data(await people.read(f"identity/mfa/method/{path}{people.method}")) == expected
            listed = data(await people.list(f"identity/mfa/method/{path}"))
            assert listed == {"keys": [people.method], "key_info": {people.method: expected}}
        assert refused(await people.list("identity/mfa/method/duo"))[0] == "NotFound"
        ok(await people.write(f"identity/mfa/method/totp/{people.method}", issuer="T", digits=8, method_name="n"))
        changed = data(await people.read(f"identity/mfa/method/{people.method}"))
        assert changed == {**expected, "issuer": "T", "digits": 8, "name": "n"}
        same = data(await people.write("identity/mfa/method/totp", issuer="U", method_name="n"))
        assert same == {"method_id": people.method}
        ok(await people.validate(await people.begin(), people.code()))  # secrets keep their own parameters
        kind, text = refused(await people.delete(f"identity/mfa/method/totp/{people.method}"))
        assert (kind, text.rpartition(": ")[2]) == ("BadRequest", "all")
        ok(await people.delete("identity/mfa/login-enforcement/all"))
        ok(await people.delete(f"identity/mfa/method/totp/{people.method}"))
        await idle(people)
        assert await people.live.transaction().list(f"{SECRET}{people.method}/") == []
        assert refused(await people.read(f"identity/mfa/method/{people.method}"))[0] == "NotFound"

    with_people(work)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({}, "issuer must be set"),
        ({"issuer": "S", "algorithm": "MD5"}, "unrecognized algorithm"),
        ({"issuer": "S", "digits": 7}, "digits can only be 6 or 8"),
        ({"issuer": "S", "period": 0}, "period must be greater than zero"),
        ({"issuer": "S", "period": 9999}, "period is at most 3600 s"),
        ({"issuer": "S", "skew": 2}, "skew must be 0 or 1"),
        ({"issuer": "S", "key_size": 0}, "key_size must be from 1 to 1024"),
        ({"issuer": "S", "qr_size": -1}, "qr_size must be from 0 to 4096"),
        ({"issuer": "S", "max_validation_attempts": -1}, "max_validation_attempts must be from 0 to 100"),
        ({"issuer": "S", "method_name": "a:b"}, "method_name must have neither ':' nor ','"),
        ({"issuer": "S" * 600}, "issuer and method_name have at most 512 characters"),
    ],
)
def test_methods_that_cannot_be(args, text):
    async def work(server: Server) -> None:
        assert refused(await server.write("identity/mfa/method/totp", **args)) == ("BadRequest", text)

    played(work)


@pytest.mark.parametrize("path", ["duo", "okta", "pingid", "okta/some-id"])
def test_other_kinds_of_methods_are_refused_by_name(path):
    async def work(server: Server) -> None:
        kind, text = refused(await server.write(f"identity/mfa/method/{path}", secret_key="s"))
        assert (kind, text) == (
            "BadRequest",
            f"MFA methods of type {path.partition('/')[0]} are not supported; use totp",
        )

    played(work)


def test_a_name_belongs_to_one_method():
    async def work(people: People) -> None:
        ok(await people.write("identity/mfa/method/totp", issuer="S", method_name="a"))
        kind, text = refused(
            await people.write(f"identity/mfa/method/totp/{people.method}", issuer="S", method_name="a")
        )
        assert (kind, "already exists" in text) == ("BadRequest", True)

    with_people(work)


def test_an_enforcement_is_read_back_and_listed():
    async def work(people: People) -> None:
        found = data(await people.read("identity/mfa/login-enforcement/all"))
        assert {**found, "id": ""} == {
            "id": "",
            "name": "all",
            "namespace_id": "root",
            "namespace_path": "",
            "mfa_method_ids": [people.method],
            "auth_method_accessors": [people.accessor],
            "auth_method_types": [],
            "identity_group_ids": [],
            "identity_entity_ids": [],
        }
        listed = data(await people.list("identity/mfa/login-enforcement"))
        assert listed == {"keys": ["all"], "key_info": {"all": found}}
        more = {"mfa_method_ids": [people.method], "identity_entity_ids": [people.entity]}
        ok(await people.write("identity/mfa/login-enforcement/all", **more))
        changed = data(await people.read("identity/mfa/login-enforcement/all"))
        assert changed == {**found, "identity_entity_ids": [people.entity]}

    with_people(work)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({"mfa_method_ids": None}, "missing method ids"),
        ({"mfa_method_ids": ["x"]}, "one of the provided method ids doesn't exist"),
        (
            {"auth_method_accessors": None},
            f"One of {LISTS} must be specified",
        ),
        ({"auth_method_accessors": ["x"]}, "one of the auth method accessors provided is invalid"),
        ({"auth_method_types": ["x"]}, "one of the auth method types provided is invalid"),
        ({"identity_group_ids": ["../x"]}, "one of the provided group ids doesn't exist"),
        ({"identity_entity_ids": ["x"]}, "one of the provided entity ids doesn't exist"),
    ],
)
def test_enforcements_that_cannot_be(args, text):
    async def work(people: People) -> None:
        given = {name: value for name, value in {**people_args(people), **args}.items() if value is not None}
        assert refused(await people.write("identity/mfa/login-enforcement/y", **given)) == ("BadRequest", text)

    with_people(work, secret=False)


def test_an_entity_makes_its_own_secret_once():
    async def work(people: People) -> None:
        ok(await people.delete("identity/mfa/login-enforcement/all"))
        await people.policy("p", 'path "identity/mfa/method/totp/generate" { capabilities = ["update"] }')
        auth = ok(await people.login()).auth
        assert auth is not None
        made = data(await people.write("identity/mfa/method/totp/generate", auth.client_token, method_id=people.method))
        url = urlsplit(made["url"])
        assert (url.scheme, url.netloc, url.path) == ("otpauth", "totp", f"/S:{people.entity}")
        assert parse_qs(url.query)["digits"] == ["6"]
        assert made["barcode"]
        again = ok(await people.write("identity/mfa/method/totp/generate", auth.client_token, method_id=people.method))
        assert again.data is None
        assert again.warnings == ['Entity already has a secret for MFA method ""']
        root = await people.write("identity/mfa/method/totp/generate", method_id=people.method)
        assert refused(root) == ("BadRequest", "missing entityID")

    with_people(work, secret=False)


def test_a_destroyed_secret_lets_nobody_in_and_makes_room_for_another():
    async def work(people: People) -> None:
        ok(await people.write("identity/mfa/method/totp/admin-destroy", **ids(people)))
        assert refused(await people.validate(await people.begin(), people.code()))[0] == "PermissionDenied"
        made = data(await people.write("identity/mfa/method/totp/admin-generate", **ids(people)))
        people.key = otp_url.decode_key(otp_url.parse_url(made["url"]).key)
        ok(await people.validate(await people.begin(), people.code()))

    with_people(work)


@pytest.mark.parametrize("what", ["admin-generate", "admin-destroy"])
@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"method_id": ""}, "missing method ID"),
        ({"method_id": "x"}, 'configuration for method ID "x" does not exist'),
        ({"entity_id": "x"}, "invalid entity ID"),
        ({"entity_id": "../x"}, "invalid entity ID"),
    ],
)
def test_secrets_of_nobody(what, change, text):
    async def work(people: People) -> None:
        answer = await people.write(f"identity/mfa/method/totp/{what}", **{**ids(people), **change})
        assert refused(answer) == ("BadRequest", text)

    with_people(work, secret=False)


def test_secrets_go_with_their_entity_and_move_when_it_is_merged():
    async def work(people: People) -> None:
        other = data(await people.write("identity/entity", name="other"))["id"]
        ok(await people.write("identity/entity/merge", from_entity_ids=[people.entity], to_entity_id=other))
        auth = ok(await people.validate(await people.begin(), people.code())).auth
        assert auth is not None
        assert auth.entity_id == other
        third = data(await people.write("identity/entity", name="third"))["id"]
        args = {"method_id": people.method, "entity_id": third}
        ok(await people.write("identity/mfa/method/totp/admin-generate", **args))
        merge = {"from_entity_ids": [third], "to_entity_id": other}
        assert "conflicting MFA config ID" in refused(await people.write("identity/entity/merge", **merge))[1]
        ok(await people.write("identity/entity/merge", **merge, force=True))
        ok(await people.validate(await people.begin(), people.code(1)))
        ok(await people.delete(f"identity/entity/id/{other}"))
        assert await people.live.transaction().list(f"{SECRET}{people.method}/") == []

    with_people(work)


def test_secrets_show_nowhere():
    assert "key" not in repr(Secret(b"key", 30, "SHA1", 6, 1))


# -- The parts ---------------------------------------------------------------------------------------------------------


def test_waiting_for_more_attempts_takes_longer_each_time():
    clock = ManualClock()
    attempts, who, waits = Attempts(clock), ("m", "e"), []
    for _ in range(7):
        attempts.begin(who, 1, 30)
        waits.append(0)
        with contextlib.suppress(TooMany):
            while True:
                attempts.begin(who, 1, 30)
        while True:
            clock.advance(30)
            waits[-1] += 30
            if clock.monotonic() >= attempts._tries[who].until:
                break
    assert waits == [30, 60, 120, 240, 480, LONGEST, LONGEST]
    clock.advance(int(QUIET))
    attempts.begin(who, 1, 30)
    assert attempts._tries[who].until - clock.monotonic() == 30


def test_the_number_of_those_who_wait_is_bounded(monkeypatch):
    monkeypatch.setattr("strongroom.core.mfa.MOST", 3)

    async def work(people: People) -> None:
        mfa: LoginMFA = people.live.mfa
        mount = people.live.mounts.by_path("auth/userpass/")
        assert mount is not None
        auth = ok(await people.login()).auth
        assert auth is not None
        waiting = []
        for number in range(5):
            auth.entity_id = f"e{number}"
            waiting.append(mfa.keep(auth, mount, "p").id)
        assert [mfa.take(one) is not None for one in waiting] == [False, False, True, True, True]

    with_people(work, secret=False)


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
)


@settings(max_examples=60, deadline=None)
@given(JSON | st.text())
def test_any_payload_is_read_or_refused(payload):
    try:
        found = credentials(payload)
    except BadRequest:
        return
    assert all(isinstance(text, str) for texts in found.values() for text in texts)
