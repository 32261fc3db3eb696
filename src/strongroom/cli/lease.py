"""Leases: lookup, renew, revoke."""

from __future__ import annotations

from typing import Any

from strongroom.cli import output
from strongroom.cli.command import ANY, Command, Group, Refused, between, deferred, exactly
from strongroom.cli.flags import Flag
from strongroom.cli.run import Run


def _id(run: Run, expected: str) -> str:
    if not run.args:
        raise Refused("Missing ID!")
    if len(run.args) > 1:
        raise Refused(f"Too many arguments (expected {expected}, got {len(run.args)})")
    return run.args[0].strip()


def _lookup(run: Run) -> int:
    lease = _id(run, "1")
    with run.doing(f"error looking up lease id {lease}"):
        secret = run.client.write("sys/leases/lookup", {"lease_id": lease})
    if secret is None:
        raise Refused("Vault returned an empty secret", 2)
    return output.show_secret(run, secret)


def _renew(run: Run) -> int:
    lease = _id(run, "1-2")
    body: dict[str, Any] = {"lease_id": lease}
    if run.flags.given("increment"):
        body["increment"] = run.flags.int("increment") // 10**9
    with run.doing(f"Error renewing {lease}"):
        secret = run.client.write("sys/leases/renew", body)
    if secret is None:
        raise Refused("Vault returned an empty secret", 2)
    return output.show_secret(run, secret)


def _revoke(run: Run) -> int:
    lease = run.args[0].strip().strip("/")
    prefix, force, wait = run.flags.bool("prefix"), run.flags.bool("force"), run.flags.bool("sync")
    if force and not prefix:
        raise Refused("Specifying -force requires also specifying -prefix")
    if force:
        run.ui.warn("Warning! Force-removing leases can cause Vault to become out of sync with\nsecret engines!")
    endpoint = "revoke-force" if force else "revoke-prefix" if prefix else "revoke"
    with run.doing(f"Error {'force ' if force else ''}revoking {'leases with prefix' if prefix else 'lease'} {lease}"):
        run.client.write(f"sys/leases/{endpoint}/{lease}", None if force else {"sync": wait})
    if force:
        run.ui.out(f"Success! Force revoked any leases with prefix: {lease}")
    elif not wait:
        run.ui.out("All revocation operations queued successfully!")
    else:
        run.ui.out(f"Success! Revoked {'any leases with prefix' if prefix else 'lease'}: {lease}")
    return 0


COMMANDS: tuple[Command | Group, ...] = (
    Group(
        "lease",
        "Interact with leases",
        (
            Command(
                "lookup",
                "Look up a lease",
                _lookup,
                usage="[options] ID",
                about="""
Tells when a lease was made and renewed, and when it ends.

    $ {prog} lease lookup database/creds/app/27e1b9a1-27b8-83d9-9fe0
""",
                arity=ANY,
            ),
            Command(
                "renew",
                "Renew the lease of a secret",
                _renew,
                usage="[options] ID",
                about="""
Prolongs a lease, and with it the life of its secret.

    $ {prog} lease renew database/creds/readonly/2f6a614c...
""",
                flags=(
                    Flag(
                        "increment", "How much longer, from now; the server may grant less.", "duration", aliases=("i",)
                    ),
                ),
                arity=ANY,
            ),
            Command(
                "revoke",
                "Revoke leases and their secrets",
                _revoke,
                usage="[options] ID",
                about="""
Ends a lease: its secret stops working.

    $ {prog} lease revoke database/creds/readonly/2f6a614c...
    $ {prog} lease revoke -prefix database/creds/readonly
""",
                flags=(
                    Flag("force", "Forget the leases even if their secrets cannot be revoked.", "bool", aliases=("f",)),
                    Flag("prefix", "The argument is a prefix: revoke all leases below it.", "bool"),
                    Flag("sync", "Wait until it is done.", "bool"),
                ),
                arity=exactly(1),
                output=(),
            ),
            Command(
                "top",
                "Tell who makes the most leases",
                deferred("lease_top", "top"),
                usage="[options] [PREFIX]",
                about="""
Counts the leases by the path that made them, by mount, or by the token that holds
them; the busiest come first. It needs "read" and "sudo" on sys/leases/top.

    $ {prog} lease top
    $ {prog} lease top -by=token -limit=5
    $ {prog} lease top database/creds
""",
                flags=(
                    Flag("by", "What leases are counted by: role, mount or token.", default="role"),
                    Flag("limit", "How many producers are shown.", "int", default="20"),
                ),
                arity=between(0, 1),
            ),
        ),
        about="""
Looks up, renews and revokes the leases of secrets that are made on demand.

    $ {prog} lease renew database/creds/readonly/2f6a614c...
""",
    ),
)
