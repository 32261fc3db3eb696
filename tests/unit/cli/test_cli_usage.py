"""Wrong use: one clear line on stderr, nothing on stdout, the right exit code, and no request."""

from __future__ import annotations

import re
import shlex

import pytest
from tests.unit.cli.cli_fakes import FakeServer, Vault

from strongroom.cli import catalog, flags
from strongroom.cli.command import Command, Group

LATE = "Command flags must be provided before positional arguments. The following arguments will not be parsed as flags"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("read", "Not enough arguments (expected 1, got 0)"),
        ("list a b", "Too many arguments (expected 1, got 2)"),
        ("list a -field=x", f"{LATE}: [-field=x]\nToo many arguments (expected 1, got 2)"),
        ("delete", "Not enough arguments (expected at least 1, got 0)"),
        ("unwrap a b", "Too many arguments (expected 0-1, got 2)"),
        ("status extra", "Too many arguments (expected 0, got 1)"),
        ("write a", "Must supply data or use -force"),
        ("write a novalue", 'Failed to parse K=V data: invalid key/value pair "novalue": format must be key=value'),
        ("login a b", 'Error parsing configuration: invalid key/value pair "b": format must be key=value'),
        ("read -bogus a", "flag provided but not defined: -bogus"),
        ("read --bogus=1 a", "flag provided but not defined: -bogus"),
        ("read ---x a", "bad flag syntax: ---x"),
        ("read -field", "flag needs an argument: -field"),
        ("read -format=xml a", "Invalid output format: xml"),
        ("list -format=raw a", "This command does not support the -format=raw option."),
        ("token create -ttl=abc", 'invalid value "abc" for flag -ttl: time: invalid duration "abc"'),
        (
            "token create -use-limit=many",
            'invalid value "many" for flag -use-limit: strconv.ParseInt: parsing "many": invalid syntax',
        ),
        (
            "token create -use-limit=9223372036854775808",
            'invalid value "9223372036854775808" for flag -use-limit: strconv.ParseInt: parsing "92233720368547758',
        ),
        (
            "secrets enable -seal-wrap=no kv",
            'invalid boolean value "no" for -seal-wrap: strconv.ParseBool: parsing "no": invalid syntax',
        ),
        ("read -header=x a", 'invalid value "x" for flag -header: missing = in KV pair: "x"'),
        ("token lookup -accessor", "Not enough arguments with -accessor (expected 1, got 0)"),
        ("token lookup -field=id", "flag provided but not defined: -field"),
        ("token revoke", "Not enough arguments (expected 1 or -self, got 0)"),
        ("token revoke -self x", "Too many arguments with -self (expected 0, got 1)"),
        ("token revoke -self -accessor", "Cannot use -self with -accessor!"),
        ("token revoke -mode=odd x", "Invalid mode: odd"),
        ("token capabilities", "Not enough arguments (expected 1-2, got 0)"),
        ("lease lookup", "Missing ID!"),
        ("lease renew a b", "Too many arguments (expected 1-2, got 2)"),
        ("lease revoke -force a", "Specifying -force requires also specifying -prefix"),
        ("audit enable", "Missing TYPE!"),
        ("kv put", "Not enough arguments (expected >1, got 0)"),
        ("kv put secret/a", "Must supply data"),
        ("kv destroy secret/a", 'No versions provided, use the "-versions" flag to specify the version to destroy.'),
        ("kv rollback secret/a", "Version flag must be specified"),
        ("kv rollback -version=0 secret/a", "Invalid value 0 for the version flag"),
        ("kv rollback -version=1", "Invalid number of arguments (expected 1, got 0)"),
        ("policy fmt /no/such.hcl", "Error reading source file: open /no/such.hcl: no such file or directory"),
        ("operator raft snapshot save", "Incorrect arguments (expected 1, got 0)"),
        ("operator generate-root -decode=AAAA", "Missing otp: use -otp to supply it"),
        ("login -method=odd a=b", "Unknown auth method: odd"),
    ],
)
def test_wrong_use_is_one_message_and_exit_code_1(vault: Vault, server: FakeServer, line: str, message: str) -> None:
    result = vault(*line.split())
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(message)
    assert server.seen == []


@pytest.mark.parametrize("words", [[], ["frobnicate"]])
def test_no_or_an_unknown_command_is_127(vault: Vault, words: list[str]) -> None:
    result = vault(*words)
    assert (result.code, result.out) == (127, "")
    assert "Usage: vault <command> [args]" in result.err


@pytest.mark.parametrize(("word", "meant"), [("raed", "read"), ("secret", "secrets"), ("kvv", "kv")])
def test_a_slip_of_the_finger_is_understood(vault: Vault, word: str, meant: str) -> None:
    assert f'There is no command "{word}". Did you mean {meant}' in vault(word).err


@pytest.mark.parametrize(
    "line", ["secrets", "secrets frobnicate", "secrets -format=json list", "operator raft snapshot"]
)
def test_a_group_alone_prints_its_usage(vault: Vault, line: str) -> None:
    result = vault(*line.split())
    assert (result.code, result.out) == (1, "")
    assert "Usage: vault" in result.err
    assert "Subcommands:" in result.err


@pytest.mark.parametrize(
    ("line", "first"),
    [
        ("-h", "Usage: vault <command> [args]"),
        ("read -h", "Usage: vault read [options] PATH"),
        ("kv put -help x", "Usage: vault kv put [options] KEY [DATA]"),
        ("operator init --help", "Usage: vault operator init [options]"),
        ("secrets -h", "Usage: vault secrets <subcommand> [options] [args]"),
        ("server -h", "Usage: vault server [options]"),
    ],
)
def test_help_goes_to_stdout_and_succeeds(vault: Vault, line: str, first: str) -> None:
    result = vault(*line.split())
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(first)
    assert all(len(row) <= 80 for row in result.out.splitlines())


def _everything() -> list[tuple[list[str], Command | Group]]:
    found: list[tuple[list[str], Command | Group]] = [([name], catalog.load(name)) for name in catalog.names()]
    for path, command in found:  # grows while it is walked
        if isinstance(command, Group):
            found += [([*path, child.name], child) for child in command.commands]
    return found


@pytest.mark.parametrize(
    ("path", "command"), _everything(), ids=lambda value: "-".join(value) if isinstance(value, list) else ""
)
def test_every_command_is_declared_whole(vault: Vault, path: list[str], command: Command | Group) -> None:
    result = vault(*path, "-h")
    assert result.code == 0
    assert result.out.startswith(f"Usage: vault {' '.join(path)}")
    assert all(len(row) <= 80 for row in result.out.splitlines())
    assert "{prog}" not in result.out
    assert not command.synopsis.endswith(".")
    if isinstance(command, Command):
        names = [name for flag in command.all_flags() for name in (flag.name, *flag.aliases)]
        assert len(names) == len(set(names))
        assert all(flag.help.endswith((".", "hidden", ")")) for flag in command.all_flags())


def _examples() -> list[tuple[str, str]]:
    """The command lines that help shows, each with its command, and without what a shell makes of it."""
    lines = [(" ".join(path), line) for path, one in _everything() for line in one.about.splitlines()]
    prompt = "    $ {prog} "
    return [(of, re.split(r" [|<>] ", line.removeprefix(prompt))[0]) for of, line in lines if line.startswith(prompt)]


@pytest.mark.parametrize("line", sorted({line for _, line in _examples()}))
def test_examples_are_right(line: str) -> None:
    _, command, rest = catalog.find(shlex.split(line))
    assert isinstance(command, Command)
    _, arguments = flags.parse(command.all_flags(), rest, anywhere=command.flags_anywhere)
    command.arity.check(len(arguments))
    assert "--" in rest or not flags.misplaced(arguments)


def test_every_command_shows_an_example() -> None:
    shown = {of for of, _ in _examples()}
    commands = {" ".join(path) for path, one in _everything() if isinstance(one, Command)}
    assert commands <= shown


def test_help_names_the_program_that_was_called(vault: Vault) -> None:
    assert "$ strongroom read" in vault("read", "-h", prog="strongroom").out


def test_flags_before_the_command_are_refused(vault: Vault) -> None:
    result = vault("-format=json", "read", "a")
    assert result.code == 1
    assert result.err.startswith("Invalid flags before the subcommand.")


@pytest.mark.parametrize("line", ["version", "-v", "-version", "--version"])
def test_the_second_word_of_the_version_is_the_api_level(vault: Vault, line: str) -> None:
    words = vault(line).out.split()
    assert words[1] == "v1.15.6"
    assert words[2] == "(Strongroom"


def test_double_dash_ends_the_flags(vault: Vault, server: FakeServer) -> None:
    server.answers["PUT /v1/-odd"] = (204, None)
    assert vault("write", "--", "-odd", "a=b").code == 0


@pytest.mark.parametrize("words", [["-dev-root-token-id=x"], ["-dev-storage=x"], []])
def test_server_says_what_is_missing_on_stdout(vault: Vault, words: list[str]) -> None:
    result = vault("server", *words)
    assert result.code == 1
    assert "-config" in result.out or "-dev" in result.out


def _commands() -> list[tuple[list[str], Command]]:
    return [(path, command) for path, command in _everything() if isinstance(command, Command)]


@pytest.mark.parametrize(
    ("path", "command"), _commands(), ids=lambda value: "-".join(value) if isinstance(value, list) else ""
)
@pytest.mark.parametrize("status", [0, 404, 500])
def test_every_command_survives_a_server_that_is_gone_or_lost(
    vault: Vault, server: FakeServer, path: list[str], command: Command, status: int
) -> None:
    if path == ["server"]:  # which is one
        return
    if status:
        server.find = lambda _: (status, b"<html>not the API</html>")  # type: ignore[method-assign]
    env = {"VAULT_MAX_RETRIES": "0"} | ({} if status else {"VAULT_ADDR": "http://127.0.0.1:1"})
    result = vault(*path, *["x=y"] * command.arity.low, stdin="", **env)
    assert result.code in (0, 1, 2)
    assert "Traceback" not in result.err
    assert result.code == 0 or result.err or result.out
