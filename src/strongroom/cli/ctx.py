"""`ctx`: named servers, one of them in use."""

from __future__ import annotations

import os

from strongroom.cli import output
from strongroom.cli.command import Command, Group, Refused, exactly
from strongroom.cli.flags import Flag
from strongroom.cli.run import Run
from strongroom.client.contexts import SETTINGS, Context, Contexts, check_name
from strongroom.client.errors import AddressError

_FILES = ("ca_cert", "ca_path", "client_cert", "client_key")


def _contexts(run: Run) -> Contexts:
    try:
        return Contexts.load(run.env)
    except AddressError as error:
        raise Refused(str(error)) from None


def _save(contexts: Contexts) -> None:
    try:
        contexts.save()
    except AddressError as error:
        raise Refused(str(error)) from None


def _list(run: Run) -> int:
    contexts = _contexts(run)
    in_use = run.context_name()
    if not run.table:
        shown = {
            name: {"address": one.address, "current": name == in_use, "namespace": one.namespace}
            for name, one in sorted(contexts.all.items())
        }
        return output.emit(run, shown)
    if not contexts.all:
        raise Refused(f'There are no contexts yet. "{run.prog} ctx set NAME -address=..." makes one.', 2)
    rows = [
        [name, one.address, one.namespace or "-", "yes" if one.token else "no", "*" if name == in_use else "-"]
        for name, one in sorted(contexts.all.items())
    ]
    run.ui.out(output.table(("Name", "Address", "Namespace", "Token", "In Use"), rows))
    return 0


def _use(run: Run) -> int:
    contexts = _contexts(run)
    try:
        one = contexts.get(run.args[0])
    except AddressError as error:
        raise Refused(_capital(error), 1, _near(run.args[0], contexts)) from None
    contexts.current = run.args[0]
    _save(contexts)
    run.ui.out(f"Success! Using context: {run.args[0]} ({one.address})")
    for name in ("VAULT_AGENT_ADDR", "VAULT_ADDR"):
        if run.env.get(name):
            run.ui.warn(f"WARNING! {name} is set and takes precedence: unset it to use the context.")
    return 0


def _near(name: str, contexts: Contexts) -> str:
    import difflib

    close = difflib.get_close_matches(name, contexts.all, n=2, cutoff=0.6)
    return f"Did you mean {' or '.join(close)}?" if close else ""


def _none(run: Run) -> int:
    contexts = _contexts(run)
    contexts.current = ""
    _save(contexts)
    run.ui.out("Success! Using no context: VAULT_ADDR and the token helper count.")
    return 0


def _set(run: Run) -> int:
    contexts = _contexts(run)
    try:
        name = check_name(run.args[0])
        before = contexts.all.get(name, Context())
        changes = {
            key: _absolute(key, run.flags.text(flag))
            for key in ("address", *SETTINGS)
            if run.flags.given(flag := key.replace("_", "-"))
        }
        one = before._replace(**changes)
        if not one.address:
            one = one._replace(address=run.env.get("VAULT_ADDR", ""))
        _check_address(one)
        if run.flags.bool("with-token"):
            one = one._replace(token=run.token())
        elif one.address != before.address:
            one = one._replace(token="")  # it belongs to the former address
    except AddressError as error:
        raise Refused(_capital(error)) from None
    contexts.all[name] = one
    first = not contexts.current and len(contexts.all) == 1
    if first:
        contexts.current = name
    _save(contexts)
    run.ui.out(f"Success! Saved context: {name} ({one.address})" + (", which is in use now" if first else ""))
    return 0


def _absolute(key: str, value: str) -> str:
    return os.path.abspath(value) if key in _FILES and value else value  # noqa: PTH100


def _check_address(one: Context) -> None:
    from strongroom.client.address import parse_address

    if not one.address:
        raise AddressError("a context needs -address")
    parse_address(one.address)


def _delete(run: Run) -> int:
    contexts = _contexts(run)
    gone = contexts.all.pop(run.args[0], None)
    if contexts.current == run.args[0]:
        contexts.current = ""
    if gone is not None:
        _save(contexts)
    run.ui.out(f"Success! Deleted context (if it existed): {run.args[0]}")
    return 0


def _capital(error: AddressError) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]


COMMANDS: tuple[Command | Group, ...] = (
    Group(
        "ctx",
        "Choose between several servers",
        (
            Command(
                "list",
                "List the contexts",
                _list,
                usage="[options]",
                about="""
Lists the contexts: their addresses, whether a token is kept for them, and which is
in use. Tokens are not shown.

    $ {prog} ctx list
""",
                http=False,
            ),
            Command(
                "use",
                "Use a context from now on",
                _use,
                usage="NAME",
                about="""
Uses a context from now on, in every shell of this user. For one shell or one
command set STRONGROOM_CONTEXT instead.

    $ {prog} ctx use staging
    $ STRONGROOM_CONTEXT=prod {prog} status
""",
                arity=exactly(1),
                http=False,
                output=(),
            ),
            Command(
                "none",
                "Use no context",
                _none,
                usage="",
                about="""
Goes back to VAULT_ADDR and the token helper. The contexts stay.

    $ {prog} ctx none
""",
                http=False,
                output=(),
            ),
            Command(
                "set",
                "Make or change a context",
                _set,
                usage="[options] NAME",
                about="""
Makes a context, or changes what is given of one. The first one is used at once.

    $ {prog} ctx set -address=https://vault.example.com -ca-cert=ca.pem prod
    $ {prog} ctx use prod
    $ {prog} login

Of the HTTP options it keeps -address, -ca-cert, -ca-path, -client-cert,
-client-key, -namespace and -tls-server-name.
""",
                flags=(Flag("with-token", "Keep the token that is in use now, too.", "bool"),),
                arity=exactly(1),
                output=(),
            ),
            Command(
                "delete",
                "Forget a context with its token",
                _delete,
                usage="NAME",
                about="""
Forgets a context. Its token is not revoked.

    $ {prog} ctx delete dev
""",
                arity=exactly(1),
                http=False,
                output=(),
            ),
        ),
        about="""
A context is a named server: its address, the authority that it is trusted by,
and the token of the last "login" to it. All commands use the one that is in use.

    $ {prog} ctx set -address=http://127.0.0.1:8200 dev
    $ {prog} ctx list
    $ {prog} ctx use dev

VAULT_ADDR and -address come before it, and then nothing of the context counts:
its token goes to its own address only. VAULT_TOKEN comes before its token.
""",
    ),
)
