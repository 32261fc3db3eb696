"""Tokens: create, lookup, renew, revoke, capabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from strongroom.cli import output
from strongroom.cli.command import ANY, Arity, Command, Group, Refused, between, exactly
from strongroom.cli.flags import Flag
from strongroom.cli.run import Run
from strongroom.client.durations import go_duration
from strongroom.client.secret import Secret

#: Flag → key of the request; sent only when given.
_CREATE = {
    "policy": "policies",
    "metadata": "meta",
    "ttl": "ttl",
    "explicit-max-ttl": "explicit_max_ttl",
    "period": "period",
    "display-name": "display_name",
    "use-limit": "num_uses",
    "renewable": "renewable",
    "id": "id",
    "type": "type",
    "no-default-policy": "no_default_policy",
    "entity-alias": "entity_alias",
}


def seconds(nanoseconds: int) -> int:
    """Whole seconds."""
    return nanoseconds // 10**9


def _create(run: Run) -> int:
    body: dict[str, Any] = {}
    for name, key in _CREATE.items():
        if run.flags.given(name):
            body[key] = _READERS.get(name, _text)(run, name)
    if run.flags.bool("orphan"):
        body["no_parent"] = True
    role = run.flags.text("role")
    path = "auth/token/create" + (f"/{role}" if role else "")
    with run.doing("Error creating token"):
        secret = run.client.write(path, body, method="POST")
    return _show(run, secret)


def _duration(run: Run, name: str) -> str:
    return go_duration(run.flags.int(name))


def _text(run: Run, name: str) -> str:
    return run.flags.text(name)


_READERS: dict[str, Callable[[Run, str], Any]] = {
    "policy": lambda run, name: run.flags.list(name),
    "metadata": lambda run, name: run.flags.map(name),
    "ttl": _duration,
    "explicit-max-ttl": _duration,
    "period": _duration,
    "use-limit": lambda run, name: run.flags.int(name),
    "renewable": lambda run, name: run.flags.bool(name),
    "no-default-policy": lambda run, name: run.flags.bool(name),
}


def _show(run: Run, secret: Secret | None) -> int:
    if secret is None:
        raise Refused("Vault returned an empty secret", 2)
    return output.show(run, secret)


def _lookup(run: Run) -> int:
    if run.flags.bool("accessor"):
        if len(run.args) != 1:
            much = "Too many" if run.args else "Not enough"
            raise Refused(f"{much} arguments with -accessor (expected 1, got {len(run.args)})")
        call = ("POST", "auth/token/lookup-accessor", {"accessor": run.args[0].strip()})
    else:
        between(0, 1).check(len(run.args))
        token = run.args[0].strip() if run.args else ""
        call = ("POST", "auth/token/lookup", {"token": token}) if token else ("GET", "auth/token/lookup-self", {})
    with run.doing("Error looking up token"):
        method, path, body = call
        secret = run.client.read(path) if method == "GET" else run.client.write(path, body, method=method)
    return _show(run, secret)


def _renew(run: Run) -> int:
    Arity(0, 1, "1").check(len(run.args))
    subject = run.args[0].strip() if run.args else ""
    body: dict[str, Any] = {}
    if run.flags.given("increment"):
        body["increment"] = seconds(run.flags.int("increment"))
    method, path = "PUT", "auth/token/renew-self"
    if subject and run.flags.bool("accessor"):
        method, path, body["accessor"] = "POST", "auth/token/renew-accessor", subject
    elif subject:
        path, body["token"] = "auth/token/renew", subject
    with run.doing("Error renewing token"):
        secret = run.client.write(path, body, method=method)
    return _show(run, secret)


def _revoke(run: Run) -> int:
    own, by_accessor, mode = run.flags.bool("self"), run.flags.bool("accessor"), run.flags.text("mode")
    count = len(run.args)
    if own and count:
        raise Refused(f"Too many arguments with -self (expected 0, got {count})")
    if not own:
        Arity(1, 1, "1 or -self").check(count)
    if mode not in ("", "orphan", "path"):
        raise Refused(f"Invalid mode: {mode}")
    if own and by_accessor:
        raise Refused("Cannot use -self with -accessor!")
    if own and mode:
        raise Refused("Cannot use -self with -mode!")
    if by_accessor and mode:
        raise Refused(f"Cannot use -accessor with -mode={mode}!")
    subject = run.args[0].strip() if run.args else ""
    calls: dict[str, tuple[str, str, dict[str, Any]]] = {
        "self": ("PUT", "auth/token/revoke-self", {}),
        "accessor": ("POST", "auth/token/revoke-accessor", {"accessor": subject}),
        "orphan": ("PUT", "auth/token/revoke-orphan", {"token": subject}),
        "path": ("PUT", f"sys/leases/revoke-prefix/{subject.strip('/')}", {}),
        "": ("PUT", "auth/token/revoke", {"token": subject}),
    }
    method, path, body = calls["self" if own else "accessor" if by_accessor else mode]
    with run.doing("Error revoking token"):
        output.warn(run, run.client.write(path, body, method=method))
    run.ui.out("Success! Revoked token (if it existed)")
    return 0


def _capabilities(run: Run) -> int:
    *token, path = run.args
    with run.doing("Error listing capabilities"):
        if token:
            secret = run.client.write("sys/capabilities", {"token": token[0], "paths": [path]}, method="POST")
        else:
            secret = run.client.write("sys/capabilities-self", {"paths": [path]}, method="POST")
    data = (secret.data if secret else None) or {}
    found = data.get("capabilities") or data.get(path) or []
    if not found:
        raise Refused("No capabilities found", 2)
    names = sorted(map(str, found))
    if not run.table:
        return output.emit(run, names)
    run.ui.out(", ".join(names))
    return 0


_ACCESSOR = Flag("accessor", "The argument is an accessor, not a token.", "bool")

COMMANDS: tuple[Command | Group, ...] = (
    Group(
        "token",
        "Interact with tokens",
        (
            Command(
                "create",
                "Create a new token",
                _create,
                usage="[options]",
                about="""
Creates a token, a child of the one in use. Without -policy it has the same
policies.

    $ {prog} token create -policy=app-reader -ttl=1h
    $ {prog} token create -policy=app-reader -period=24h
""",
                flags=(
                    Flag("display-name", "Name to show for it, for people and logs."),
                    Flag("entity-alias", "Entity alias to give it; needs -role, which must allow it."),
                    Flag("explicit-max-ttl", "Latest end of its life, renewals included.", "duration"),
                    Flag("id", "The token itself. Better let the server choose."),
                    Flag("metadata", "Metadata as key=value; may be given several times.", "map"),
                    Flag("no-default-policy", 'Without the policy "default".', "bool"),
                    Flag("orphan", "Without a parent: it outlives the token in use.", "bool"),
                    Flag("period", "Renewable for ever, each time for this long.", "duration"),
                    Flag("policy", "Policy of the token; may be given several times.", "list"),
                    Flag("renewable", "Whether it can be renewed.", "bool", default="true"),
                    Flag("role", "Token role to create it by."),
                    Flag("ttl", "How long it lives.", "duration"),
                    Flag("type", "service or batch."),
                    Flag("use-limit", "Number of times it can be used; 0 is without limit.", "int"),
                ),
                arity=exactly(0),
                output=("field", "format"),
            ),
            Command(
                "lookup",
                "Display information about a token",
                _lookup,
                usage="[options] [TOKEN | ACCESSOR]",
                about="""
Shows what the server knows of a token; without an argument of the one in use.

    $ {prog} token lookup
    $ {prog} token lookup -accessor 8609694a-cdbc-db9b-d345-e782dbb562ed
""",
                flags=(_ACCESSOR,),
                arity=ANY,
            ),
            Command(
                "renew",
                "Renew a token",
                _renew,
                usage="[options] [TOKEN | ACCESSOR]",
                about="""
Prolongs a token's life; without an argument that of the one in use.

    $ {prog} token renew
    $ {prog} token renew -increment=8h hvs.CAESIA
""",
                flags=(
                    _ACCESSOR,
                    Flag(
                        "increment", "How much longer, from now; the server may grant less.", "duration", aliases=("i",)
                    ),
                ),
                arity=ANY,
            ),
            Command(
                "revoke",
                "Revoke a token and its children",
                _revoke,
                usage="[options] [TOKEN | ACCESSOR]",
                about="""
Revokes a token with its children and all of their leases.

    $ {prog} token revoke hvs.CAES...
    $ {prog} token revoke -self
    $ {prog} token revoke -mode=path auth/userpass/
""",
                flags=(
                    _ACCESSOR,
                    Flag("mode", "orphan leaves the children alive; path revokes all tokens made at that path."),
                    Flag("self", "Revoke the token in use.", "bool"),
                ),
                arity=ANY,
                output=(),
            ),
            Command(
                "capabilities",
                "Print capabilities of a token on a path",
                _capabilities,
                usage="[options] [TOKEN] PATH",
                about="""
Shows what a token, or the one in use, may do with a path.

    $ {prog} token capabilities secret/data/app
""",
                arity=between(1, 2),
            ),
        ),
        about="""
Creates, shows, renews and revokes tokens.

    $ {prog} token create -ttl=1h
    $ {prog} token lookup
""",
    ),
)
