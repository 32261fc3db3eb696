"""People log in for tools in a real browser, on the page that a real server shows them."""

from __future__ import annotations

import base64
import hashlib
import json
import pathlib
import secrets
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from playwright.sync_api import Browser, Page, Request, expect
from playwright.sync_api import Error as BrowserError

from strongroom.crypto import otp
from tests.support.browser import chromium, page_of
from tests.support.process import SQLITE, Process, running

TOOL = "https://tool.example"
REDIRECT = f"{TOOL}/callback?from=strongroom"
PROVIDER = "identity/oidc/provider/tools"
WRONG = "invalid username or password"


@dataclass
class Tool:
    """A tool that people log in at: a public client with PKCE, whose address the browser is led back to."""

    server: Process
    page: Page
    client_id: str

    def __post_init__(self) -> None:
        self.verifier, self.state, self.nonce = (secrets.token_urlsafe(48) for _ in range(3))
        self.reached: list[str] = []
        self.page.route(f"{TOOL}/**", lambda route, request: (self._reach(request), route.fulfill(body="back"))[-1])

    def _reach(self, request: Request) -> None:
        if request.is_navigation_request():
            self.reached.append(request.url)

    def address(self, *more: tuple[str, str], **changes: str) -> str:
        """Where the tool sends the browser."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "client_id": self.client_id,
            "redirect_uri": REDIRECT,
            "response_type": "code",
            "scope": "openid profile",
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        pairs = [(name, text) for name, text in {**query, **changes}.items() if text]
        query_text = urllib.parse.urlencode([*pairs, *more])
        return f"{self.server.address}/ui/vault/{PROVIDER}/authorize?{query_text}"

    def open(self, *more: tuple[str, str], **changes: str) -> None:
        self.page.goto(self.address(*more, **changes))

    def log_in(self, user: str = "ann", password: str = "s3cret") -> None:
        """Fill in the form by what its labels say, and send it."""
        self.page.get_by_label("Username", exact=True).fill(user)
        self.page.get_by_label("Password", exact=True).fill(password)
        self.submit()

    def submit(self) -> None:
        self.page.get_by_role("button", name="Log in").click()

    def told(self, text: str) -> None:
        """The page says this, and has led nowhere."""
        expect(self.page.get_by_role("alert")).to_have_text(text)
        expect(self.page.get_by_role("button", name="Log in")).to_be_enabled()
        assert self.reached == []

    def answer(self) -> dict[str, str]:
        """What the tool was sent."""
        self.page.wait_for_url(f"{TOOL}/**")
        (url,) = self.reached
        assert url.startswith(REDIRECT + "&")
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))

    def redeem(self, code: str, **changes: str) -> tuple[int, dict[str, Any]]:
        """What it gets for a code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT,
            "client_id": self.client_id,
            "code_verifier": self.verifier,
            **changes,
        }
        return self.ask("token", urllib.parse.urlencode(form).encode())

    def ask(self, path: str, data: bytes | None = None, **headers: str) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(f"{self.server.address}/v1/{PROVIDER}/{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as e:
            return e.code, json.load(e)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder: pathlib.Path = tmp_path_factory.mktemp("consent")
    with running(folder, SQLITE) as process:
        process.unseal(process.init())
        for words in (
            "auth enable userpass",
            "write auth/userpass/users/ann password=s3cret",
            'write identity/oidc/scope/profile template={"name":{{identity.entity.name}}}',
            "write identity/oidc/provider/tools allowed_client_ids=* scopes_supported=profile",
            f"write identity/oidc/client/open redirect_uris={REDIRECT} assignments=allow_all client_type=public",
            f"write identity/oidc/client/closed redirect_uris={REDIRECT} client_type=public",
        ):
            process.cli(*words.split(" "))
        yield process


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with page_of(browser) as found:
        yield found


def client_id(server: Process, name: str) -> str:
    status, body = server.call("GET", f"identity/oidc/client/{name}")
    assert status == 200, body
    return str(body["data"]["client_id"])


@pytest.fixture
def tool(server: Process, page: Page) -> Tool:
    return Tool(server, page, client_id(server, "open"))


def accessors(server: Process) -> list[str]:
    status, body = server.call("LIST", "auth/token/accessors")
    assert status == 200, body
    return sorted(body["data"]["keys"])


def test_a_person_logs_in_for_a_tool(tool: Tool, server: Process) -> None:
    before = accessors(server)
    tool.open()
    expect(tool.page.get_by_label("Username", exact=True)).to_be_focused()
    expect(tool.page.locator("#tool")).to_have_text(tool.client_id)
    expect(tool.page.locator("#where")).to_have_text("tool.example")
    tool.log_in()
    answer = tool.answer()
    assert answer == {"from": "strongroom", "code": answer["code"], "state": tool.state}
    assert accessors(server) == before, "the token that the page logged in for is revoked"

    status, tokens = tool.redeem(answer["code"])
    assert status == 200, tokens
    key = jwt.PyJWKClient(f"{server.address}/v1/{PROVIDER}/.well-known/keys").get_signing_key_from_jwt(
        tokens["id_token"]
    )
    claims = jwt.decode(tokens["id_token"], key, algorithms=["RS256"], audience=tool.client_id)
    assert claims["nonce"] == tool.nonce
    status, info = tool.ask("userinfo", Authorization=f"Bearer {tokens['access_token']}")
    assert (status, info) == (200, {"name": claims["name"], "sub": claims["sub"]})
    assert tool.redeem(answer["code"])[1]["error"] == "invalid_grant", "a code is good for once"


def test_a_code_is_worth_nothing_without_the_tools_verifier(tool: Tool) -> None:
    tool.open()
    tool.log_in()
    status, body = tool.redeem(tool.answer()["code"], code_verifier=secrets.token_urlsafe(48))
    assert (status, body["error"]) == (400, "invalid_grant")


def test_a_wrong_password_can_be_typed_again(tool: Tool) -> None:
    tool.open()
    for user, password in (("ann", "wrong"), ("nobody", "s3cret")):
        tool.log_in(user, password)
        tool.told(WRONG)
    tool.log_in('<img src="x">/../%', "s3cret")
    tool.told("permission denied")
    tool.log_in()
    assert tool.answer()["code"]


def test_a_token_logs_in_too_and_stays(tool: Tool, server: Process) -> None:
    status, body = server.call("POST", "auth/userpass/login/ann", {"password": "s3cret"}, token="none")
    assert status == 200
    token = body["auth"]["client_token"]
    tool.open()
    tool.page.locator("#by").select_option("Token")
    expect(tool.page.get_by_label("Username", exact=True)).to_be_hidden()
    tool.page.get_by_label("Token", exact=True).fill("no token")
    tool.submit()
    tool.told("permission denied")
    tool.page.get_by_label("Token", exact=True).fill(token)
    tool.submit()
    assert tool.answer()["code"]
    assert server.call("GET", "auth/token/lookup-self", token=token)[0] == 200


def test_where_nobody_logs_in_is_said(tool: Tool) -> None:
    tool.open()
    tool.page.get_by_label("Method's path").fill("/elsewhere/")
    tool.log_in()
    tool.told("permission denied")


# -- The second factor -------------------------------------------------------------------------------------------------


ENFORCEMENT = "identity/mfa/login-enforcement/people"


@dataclass
class Factor:
    """The second factor of `bea`, without which she does not log in."""

    server: Process
    entity: str
    methods: list[str]
    key: bytes

    def enforce(self) -> None:
        wanted = {"mfa_method_ids": self.methods, "identity_entity_ids": [self.entity]}
        assert self.server.call("POST", ENFORCEMENT, wanted)[0] == 204

    def code(self) -> str:
        return otp.hotp(self.key, otp.counter_at(int(time.time()), 30), 6, "SHA1")

    def wrong_code(self) -> str:
        return f"{(int(self.code()) + 500_000) % 1_000_000:06d}"


def done(server: Process, path: str, body: Any) -> dict[str, Any]:
    status, answer = server.call("POST", path, body)
    assert status in (200, 204), answer
    return dict(answer["data"]) if answer else {}


def totp_method(server: Process) -> str:
    return str(done(server, "identity/mfa/method/totp", {"issuer": "tests", "period": 30})["method_id"])


@pytest.fixture
def factor(server: Process) -> Iterator[Factor]:
    done(server, "auth/userpass/users/bea", {"password": "s3cret"})
    done(server, "identity/entity", {"name": "bea"})
    entity = server.call("GET", "identity/entity/name/bea")[1]["data"]["id"]
    accessor = server.call("GET", "sys/auth")[1]["data"]["userpass/"]["accessor"]
    done(server, "identity/entity-alias", {"name": "bea", "mount_accessor": accessor, "canonical_id": entity})
    method = totp_method(server)
    made = done(server, "identity/mfa/method/totp/admin-generate", {"method_id": method, "entity_id": entity})
    (text,) = urllib.parse.parse_qs(urllib.parse.urlsplit(made["url"]).query)["secret"]
    found = Factor(server, entity, [method], base64.b32decode(text + "=" * (-len(text) % 8)))
    found.enforce()
    yield found
    assert server.call("DELETE", ENFORCEMENT)[0] == 204


def test_a_second_factor_is_asked_for(tool: Tool, factor: Factor) -> None:
    tool.open()
    expect(tool.page.get_by_label("Passcode")).to_have_count(0)
    tool.log_in("bea")
    tool.told("Type the passcode of your second factor.")
    expect(tool.page.get_by_label("Passcode")).to_be_focused()
    tool.page.get_by_label("Passcode").fill(factor.wrong_code())
    tool.submit()
    tool.told("failed to validate TOTP passcode")
    expect(tool.page.get_by_label("Passcode")).to_have_value("")
    tool.page.get_by_label("Passcode").fill(factor.code())
    tool.submit()
    answer = tool.answer()
    assert tool.redeem(answer["code"])[0] == 200


def test_of_several_second_factors_one_is_chosen(tool: Tool, server: Process, factor: Factor) -> None:
    (own,) = factor.methods
    factor.methods = [totp_method(server), own]
    factor.enforce()
    tool.open()
    tool.log_in("bea")
    tool.told("Type the passcode of your second factor.")
    tool.page.get_by_label("Second factor").select_option(own)
    tool.page.get_by_label("Passcode").fill(factor.code())
    tool.submit()
    assert tool.answer()["code"]


def test_a_login_whose_time_is_up_begins_again(tool: Tool, server: Process, factor: Factor) -> None:
    tool.open()
    tool.log_in("bea")
    tool.told("Type the passcode of your second factor.")
    for _ in range(16):  # as many as may wait of one person: what waits longest gives way
        assert server.call("POST", "auth/userpass/login/bea", {"password": "s3cret"}, token="none")[0] == 200
    tool.page.get_by_label("Passcode").fill(factor.code())
    tool.submit()
    tool.told("That took too long. Log in again.")
    expect(tool.page.get_by_label("Passcode")).to_have_count(0)


def test_another_name_is_another_login(tool: Tool, factor: Factor) -> None:
    tool.open()
    tool.log_in("bea")
    tool.told("Type the passcode of your second factor.")
    tool.log_in("ann")
    assert tool.answer()["code"]


# -- Requests that are refused -----------------------------------------------------------------------------------------


def test_who_is_not_assigned_can_go_back_to_the_tool(server: Process, page: Page) -> None:
    tool = Tool(server, page, client_id(server, "closed"))
    tool.open()
    tool.log_in()
    tool.told("identity entity not authorized by client assignment")
    page.get_by_role("link", name="Back to the tool").click()
    answer = tool.answer()
    assert answer["error"] == "access_denied"
    assert answer["state"] == tool.state


@pytest.mark.parametrize(
    "redirect",
    [
        "https://evil.example/callback",
        f"{TOOL}/callback",
        f"{TOOL}@evil.example/callback?from=strongroom",
        "javascript://tool.example/%0aalert(1)",
    ],
)
def test_nobody_is_led_where_the_tool_is_not(tool: Tool, redirect: str) -> None:
    tool.page.route("https://evil.example/**", lambda _: pytest.fail("the browser was led astray"))
    tool.open(redirect_uri=redirect)
    if redirect.startswith("javascript"):
        tool.page.get_by_role("alert").wait_for()
        expect(tool.page.get_by_role("alert")).to_contain_text("does not say where it gets its answer")
        return
    tool.log_in()
    tool.told("redirect_uri is not allowed for the client")
    expect(tool.page.get_by_role("link", include_hidden=True)).to_have_count(0)


@pytest.mark.parametrize("name", ["redirect_uri", "client_id", "state"])
def test_a_parameter_that_is_there_twice_is_refused(tool: Tool, name: str) -> None:
    """The server would judge one of them, and the browser follow the other."""
    tool.page.goto(tool.address((name, "https://evil.example/")))
    expect(tool.page.get_by_role("alert")).to_have_text(f"The tool's request is not valid: it has {name} twice.")
    expect(tool.page.get_by_label("Username", exact=True)).to_be_hidden()


def test_a_tool_without_a_challenge_is_refused(tool: Tool) -> None:
    tool.open(code_challenge="", code_challenge_method="")
    tool.log_in()
    tool.told("PKCE is required for public clients")


def test_nothing_of_the_address_becomes_part_of_the_page(tool: Tool) -> None:
    markup = '<img src=x onerror="document.title=1">'
    tool.open(client_id=markup, state=markup, scope=markup)
    expect(tool.page.locator("#tool")).to_have_text(markup)
    tool.log_in()
    tool.told("client with client_id not found")
    assert tool.page.locator("img").count() == 0
    assert tool.page.title() == "Log in - Strongroom"


def test_the_browser_runs_no_other_script_and_no_page_frames_it(tool: Tool) -> None:
    tool.open()
    with pytest.raises(BrowserError, match="Content Security Policy"):
        tool.page.add_script_tag(content="document.title = 'taken'")
    assert tool.page.title() == "Log in - Strongroom"
    frame = f'<iframe src="{tool.address()}"></iframe>'
    tool.page.route("https://evil.example/", lambda route: route.fulfill(body=frame, content_type="text/html"))
    tool.page.goto("https://evil.example/")
    assert tool.page.frames[-1].locator("form").count() == 0
