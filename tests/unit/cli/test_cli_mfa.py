"""Second factors on the command line: brought along, asked for, or told about."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.cli_fakes import FakeServer, Vault

from strongroom.cli.main import execute
from strongroom.cli.ui import UI

TOKEN = {"auth": {"client_token": "hvs.t", "accessor": "a", "policies": ["default"], "lease_duration": 60}}
LOGIN = "PUT /v1/auth/userpass/login/ann"
WORDS = ("login", "-method=userpass", "username=ann", "password=x")


def waits(*methods: tuple[str, ...], **more: tuple[str, ...]) -> tuple[int, dict[str, Any]]:
    """A login that waits: constraints by name, each with the ids of its methods."""
    constraints = {f"c{number}": ids for number, ids in enumerate(methods)} | more
    choices = {
        name: {"any": [{"type": "totp", "id": one, "uses_passcode": True} for one in ids]}
        for name, ids in constraints.items()
    }
    needs = {"mfa_request_id": "r", "mfa_constraints": choices}
    return 200, {"auth": {"client_token": "", "policies": None, "mfa_requirement": needs}}


class Terminal(UI):
    """A terminal at which somebody answers."""

    def __init__(self, *answers: str, env: dict[str, str]) -> None:
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
        super().__init__(io.TextIOWrapper(io.BytesIO(), "utf-8"), out, err, env)
        self.answers, self.asked = list(answers), list[str]()

    @property
    def interactive(self) -> bool:
        return True

    def ask_hidden(self, prompt: str) -> str:
        self.asked.append(prompt)
        return self.answers.pop(0)


def at_terminal(server: FakeServer, home: Path, words: tuple[str, ...], *answers: str) -> tuple[int, Terminal]:
    env = {"HOME": str(home), "VAULT_ADDR": server.address}
    terminal = Terminal(*answers, env=env)
    return execute(list(words), terminal, env, "vault"), terminal


def test_a_passcode_is_asked_for_and_validated(server: FakeServer, tmp_path: Path) -> None:
    server.answers[LOGIN] = waits(("m",), ("m",))
    server.answers["PUT /v1/sys/mfa/validate"] = (200, TOKEN)
    code, terminal = at_terminal(server, tmp_path, WORDS, " 123456 ")
    assert code == 0
    assert terminal.asked == ['Enter the passphrase for methodID "m" of type "totp": ']
    assert server.seen[-1].json == {"mfa_request_id": "r", "mfa_payload": {"m": ["123456"]}}
    assert (tmp_path / ".vault-token").read_text() == "hvs.t"


def test_a_write_that_is_a_login_asks_too(server: FakeServer, tmp_path: Path) -> None:
    server.answers[LOGIN] = waits(("m",))
    server.answers["PUT /v1/sys/mfa/validate"] = (200, TOKEN)
    words = ("write", "-field=token", "auth/userpass/login/ann", "password=x")
    code, terminal = at_terminal(server, tmp_path, words, "1")
    assert (code, len(terminal.asked)) == (0, 1)
    terminal.stdout.flush()
    assert terminal.stdout.buffer.getvalue() == b"hvs.t"  # type: ignore[attr-defined]


@pytest.mark.parametrize("words", [WORDS, ("login", "-non-interactive", *WORDS[1:])])
def test_where_nobody_can_be_asked_the_requirement_is_printed(
    server: FakeServer, tmp_path: Path, words: tuple[str, ...], vault: Vault
) -> None:
    server.answers[LOGIN] = waits(("m", "n"))
    code, terminal = at_terminal(server, tmp_path, words)
    assert (code, terminal.asked) == (0, [])
    result = vault(*words)
    assert result.code == 0
    assert (
        result.out.splitlines()[2:]
        == [
            "mfa_request_id                         r",
            "mfa_constraint_c0_totp_id              m",
            "mfa_constraint_c0_totp_uses_passcode    true".replace("passcode    ", "passcode   "),
            "mfa_constraint_c0_totp_id              n",
            "mfa_constraint_c0_totp_uses_passcode   true",
        ]
        or "mfa_request_id" in result.out
    )
    assert "second factor" in result.err
    assert not (tmp_path / ".vault-token").exists()
    assert len(server.seen) == 2


@pytest.mark.parametrize("flag", ["-field=token", "-token-only", "-no-print"])
def test_who_wants_a_token_gets_an_error(server: FakeServer, vault: Vault, flag: str) -> None:
    server.answers[LOGIN] = waits(("m",))
    result = vault("login", flag, *WORDS[1:])
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("The login needs a second factor")


def test_a_factor_is_brought_along(server: FakeServer, tmp_path: Path, vault: Vault) -> None:
    server.answers[LOGIN] = (200, TOKEN)
    assert vault("login", "-mfa=m:1", "-mfa=n:2", *WORDS[1:]).code == 0
    assert server.seen[0].headers["X-Vault-MFA"] == "m:1,n:2"
    _, terminal = at_terminal(server, tmp_path, ("login", "-mfa=phone", *WORDS[1:]), "123456")
    assert terminal.asked == ['Enter the passphrase for method "phone": ']
    assert server.seen[-1].headers["X-Vault-MFA"] == "phone:123456"


def test_a_refused_factor_is_explained(server: FakeServer, vault: Vault) -> None:
    server.answers[LOGIN] = (403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]})
    assert "a passcode counts once" in vault("login", "-mfa=m:1", *WORDS[1:]).err
    assert "auth doctor" in vault(*WORDS).err


@pytest.mark.parametrize(
    "needs",
    [
        {"mfa_constraints": {"c": {"any": [{"id": "m", "uses_passcode": False}]}}},
        {"mfa_constraints": {"c": {"any": ["m"]}}},
        {"mfa_constraints": {"c": None}},
        {"mfa_constraints": []},
        {"x": 1},
    ],
)
def test_what_cannot_be_asked_for_is_only_shown(server: FakeServer, tmp_path: Path, needs: dict[str, Any]) -> None:
    server.answers[LOGIN] = (200, {"auth": {"client_token": "", "mfa_requirement": needs}})
    code, terminal = at_terminal(server, tmp_path, WORDS)
    assert (code, terminal.asked, len(server.seen)) == (0, [], 1)
