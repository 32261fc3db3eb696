"""Operating a server: init, unseal, seal, keys, leadership, snapshots."""

from __future__ import annotations

from typing import Any

from strongroom.cli import output
from strongroom.cli.command import ANY, Command, Group, Refused, deferred, exactly
from strongroom.cli.flags import Flag
from strongroom.cli.operator_keys import REKEY
from strongroom.cli.operator_raft import RAFT
from strongroom.cli.operator_root import GENERATE_ROOT
from strongroom.cli.pgp_files import pgp_keys
from strongroom.cli.run import Run
from strongroom.cli.status import show_seal_status


# ------------------------------------------------------------------------------------------------ init
def _init(run: Run) -> int:
    if run.flags.bool("status"):
        with run.doing("Error checking init status", 1):
            initialized = bool(run.client.get_json("sys/init").get("initialized"))
        if run.table:
            run.ui.out(f"Vault is {'' if initialized else 'not '}initialized")
        else:
            output.emit(run, {"initialized": initialized})
        return 0 if initialized else 2
    flags = run.flags
    if flags.bool("consul-auto"):
        raise Refused("-consul-auto is not available: name the server with -address")
    shares = flags.int("key-shares") if flags.given("key-shares") else 5
    threshold = flags.int("key-threshold") if flags.given("key-threshold") else 3
    body: dict[str, Any] = {"secret_shares": shares, "secret_threshold": threshold}
    for name, key in (("recovery-shares", "recovery_shares"), ("recovery-threshold", "recovery_threshold")):
        if flags.given(name):
            body[key] = flags.int(name)
    for name in ("pgp-keys", "recovery-pgp-keys"):
        if flags.list(name):
            body[name.replace("-", "_")] = pgp_keys(flags.list(name))
    if flags.text("root-token-pgp-key"):
        body["root_token_pgp_key"] = pgp_keys([flags.text("root-token-pgp-key")])[0]
    with run.doing("Error initializing"):
        answer = run.client.send_json("sys/init", body)
    if not run.table:
        return output.emit(run, _init_document(answer, shares, threshold))
    _print_init(run, answer, shares, threshold)
    return 0


def _init_document(answer: dict[str, Any], shares: int, threshold: int) -> dict[str, Any]:
    recovery = answer.get("recovery_keys_base64")
    return {
        "unseal_keys_b64": answer.get("keys_base64") or [],
        "unseal_keys_hex": answer.get("keys") or [],
        "unseal_shares": shares,
        "unseal_threshold": threshold,
        "recovery_keys_b64": recovery,
        "recovery_keys_hex": answer.get("recovery_keys"),
        "recovery_keys_shares": len(recovery or ()),
        "recovery_keys_threshold": threshold if recovery else 0,
        "root_token": answer.get("root_token") or "",
    }


def _print_init(run: Run, answer: dict[str, Any], shares: int, threshold: int) -> None:
    lines = [f"Unseal Key {number}: {key}" for number, key in enumerate(answer.get("keys_base64") or (), 1)]
    recovery = answer.get("recovery_keys_base64") or ()
    lines += [f"Recovery Key {number}: {key}" for number, key in enumerate(recovery, 1)]
    lines += ["", f"Initial Root Token: {answer.get('root_token')}", ""]
    if recovery:
        lines += ["Success! Vault is initialized"]
    else:
        lines += [
            f"Vault initialized with {shares} key shares and a key threshold of {threshold}. Please securely",
            "distribute the key shares printed above. When the Vault is re-sealed,",
            f"restarted, or stopped, you must supply at least {threshold} of these keys to unseal it",
            "before it can start servicing requests.",
            "",
            f"Vault does not store the generated master key. Without at least {threshold} keys to",
            "reconstruct the master key, Vault will remain permanently sealed!",
            "",
            "It is possible to generate new unseal keys, provided you have a quorum of",
            'existing unseal keys shares. See "vault operator rekey" for more information.',
        ]
    run.ui.out("\n".join(lines))


# ------------------------------------------------------------------------------------------------ unseal, seal
def _unseal(run: Run) -> int:
    if len(run.args) > 1:
        raise Refused(f"Too many arguments (expected 1, got {len(run.args)})")
    body: dict[str, Any] = {"reset": True}
    if not run.flags.bool("reset"):
        body = {"key": run.args[0].strip() if run.args else _ask_for_key(run)}
        if run.flags.bool("migrate"):
            body["migrate"] = True
    with run.doing("Error unsealing"):
        status = run.client.send_json("sys/unseal", body)
    show_seal_status(run, status)
    return 0


def _ask_for_key(run: Run) -> str:
    prompt = "Unseal Key (will be hidden): "
    if run.may_ask:
        return run.ui.ask_hidden(prompt).strip()
    piped = "" if run.ui.interactive else run.ui.read_stdin().strip()
    if not piped:
        run.ui.out(prompt)
        raise Refused(
            "An error occurred attempting to ask for an unseal key. There is no terminal to\n"
            "ask on, and nothing came by stdin. Run this command from a terminal, pipe the\n"
            "key into it, or give the key as its argument, where other users of the machine\n"
            "may see it."
        )
    return piped


def _seal(run: Run) -> int:
    with run.doing("Error sealing"):
        run.client.write("sys/seal")
    run.ui.out("Success! Vault is sealed.")
    return 0


# ------------------------------------------------------------------------------------------------ keys
def _key_status(run: Run) -> int:
    with run.doing("Error reading key status"):
        answer = run.client.get_json("sys/key-status")
    data = answer.get("data") or answer
    status = {key: data.get(key) for key in ("term", "install_time", "encryptions")}
    if not run.table:
        return output.emit(run, status)
    rows = [
        ("Key Term", output.go_value(status["term"])),
        ("Install Time", _short_time(str(status["install_time"] or ""))),
        ("Encryption Count", output.go_value(status["encryptions"])),
    ]
    run.ui.out(output.columns(rows))
    return 0


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _short_time(text: str) -> str:
    """An RFC 3339 time as `02 Jan 06 15:04 UTC`."""
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(text[:19] + "+00:00") if text.endswith("Z") else datetime.fromisoformat(text)
    except ValueError:
        return text
    moment = moment.astimezone(UTC)
    month = _MONTHS[moment.month - 1]  # strftime's names are the locale's
    return f"{moment.day:02d} {month} {moment.year % 100:02d} {moment.hour:02d}:{moment.minute:02d} UTC"


def _rotate(run: Run) -> int:
    with run.doing("Error rotating key"):
        run.client.write("sys/rotate", method="POST")
    if run.table:
        run.ui.out("Success! Rotated key\n")
    return _key_status(run)


# ------------------------------------------------------------------------------------------------ cluster
def _step_down(run: Run) -> int:
    with run.doing("Error stepping down"):
        run.client.write("sys/step-down")
    run.ui.out(f"Success! Stepped down: {run.client.transport.address.shown}")
    return 0


_MEMBER_COLUMNS = (
    ("Host Name", "hostname"),
    ("API Address", "api_address"),
    ("Cluster Address", "cluster_address"),
    ("Active Node", "active_node"),
    ("Version", "version"),
    ("Upgrade Version", "upgrade_version"),
    ("Redundancy Zone", "redundancy_zone"),
    ("Last Echo", "last_echo"),
)


def _members(run: Run) -> int:
    with run.doing(""):
        answer = run.client.get_json("sys/ha-status")
    nodes = (answer.get("data") or answer).get("nodes") or []
    if not run.table:
        return output.emit(run, {"Nodes": nodes})
    rows = [
        ["" if node.get(key) is None else output.go_value(node[key]) for _, key in _MEMBER_COLUMNS] for node in nodes
    ]
    run.ui.out(output.table([title for title, _ in _MEMBER_COLUMNS], rows))
    return 0


COMMANDS: tuple[Command | Group, ...] = (
    Group(
        "operator",
        "Perform operator-specific tasks",
        (
            Command(
                "init",
                "Initialize a server",
                _init,
                usage="[options]",
                about="""
Prepares a new storage: makes the root key, splits it into unseal keys, and
prints these and the first root token. Both are shown this once and never again.
Servers that share a storage are initialized together, by any one of them.

    $ {prog} operator init
    $ {prog} operator init -key-shares=3 -key-threshold=2

With -pgp-keys nobody sees another's unseal key: each is encrypted for one of the
public keys, which are files in binary, base64 or armour. Its holder gets it with

    $ echo "..." | base64 -d | gpg -dq

With -status it only says whether that has been done: exit code 0 if so, 2 if
not, 1 if that could not be found out.
""",
                flags=(
                    Flag("consul-auto", "Find the server through Consul, which Strongroom does not do.", "bool"),
                    Flag("consul-service", "Name of the server in Consul.", default="vault"),
                    Flag("key-shares", "Number of unseal keys to make.", "int", default="5", aliases=("n",)),
                    Flag("key-threshold", "Number of them needed to unseal.", "int", default="3", aliases=("t",)),
                    Flag("pgp-keys", "Files of PGP keys to encrypt the unseal keys with, with commas.", "list"),
                    Flag(
                        "recovery-pgp-keys", "Files of PGP keys to encrypt the recovery keys with, with commas.", "list"
                    ),
                    Flag("recovery-shares", "Number of recovery keys, for seals that open by themselves.", "int"),
                    Flag("recovery-threshold", "Number of recovery keys needed.", "int"),
                    Flag("root-token-pgp-key", "File of a PGP key to encrypt the root token with."),
                    Flag("status", "Only say whether the server is initialized.", "bool"),
                    Flag("stored-shares", "Taken for old scripts; it does nothing.", "int"),
                ),
                arity=exactly(0),
            ),
            Command(
                "unseal",
                "Unseal the server",
                _unseal,
                usage="[options] [KEY]",
                about="""
Gives one unseal key to a sealed server. It unseals once it has as many as its
threshold. Without an argument the key is asked for, unseen, or read from stdin:
better than an argument, which other users of the machine may see.

    $ {prog} operator unseal
""",
                flags=(
                    Flag("migrate", "Take part in the migration to another seal.", "bool"),
                    Flag("reset", "Forget the keys given so far.", "bool"),
                ),
                arity=ANY,
            ),
            Command(
                "seal",
                "Seal the server",
                _seal,
                usage="[options]",
                about="""
Makes the server forget its keys at once: nothing can be read until it is
unsealed again.

    $ {prog} operator seal
""",
                output=(),
            ),
            REKEY,
            GENERATE_ROOT,
            Command(
                "rotate",
                "Rotate the encryption key",
                _rotate,
                usage="[options]",
                about="""
Makes a new key for what is written from now on. What is there stays readable, and
nothing has to be unsealed. The unseal keys are those of before: see "{prog}
operator rekey".

    $ {prog} operator rotate
""",
            ),
            Command(
                "key-status",
                "Print what is known of the encryption key",
                _key_status,
                usage="[options]",
                about="""
Prints which key is in use, since when, and how much was encrypted with it.

    $ {prog} operator key-status
""",
            ),
            Command(
                "members",
                "List the nodes of the cluster",
                _members,
                usage="[options]",
                about="""
Lists the nodes that share the storage, and which of them is active.

    $ {prog} operator members
""",
            ),
            Command(
                "step-down",
                "Make the active node give up its lead",
                _step_down,
                usage="[options]",
                about="""
Makes the active node a standby, so that another takes over. A single node takes its
lead again at once.

    $ {prog} operator step-down
""",
                output=(),
            ),
            RAFT,
            Command(
                "diagnose",
                "Examine a configuration before the server starts",
                deferred("operator_local", "diagnose"),
                usage="[options]",
                about="""
Examines a server's configuration, storage, certificates, addresses and
permissions, and says what to do about what is not in order. It changes nothing,
and is run on the server's machine as the server's user.

    $ {prog} operator diagnose -config=/etc/strongroom/config.hcl

The exit code is 0 if all is well, 1 if the server would not start or not be safe,
and 2 if there are only warnings.
""",
                flags=(
                    Flag("config", "Configuration file, or folder of such files; may be given several times.", "list"),
                    Flag("debug", "Print all that was found, as JSON.", "bool"),
                    Flag(
                        "skip", "Leave out a check: storage, listener or process; may be given several times.", "list"
                    ),
                ),
                http=False,
            ),
            Command(
                "usage",
                "Print how many clients use the server",
                deferred("operator_usage", "usage"),
                usage="[options]",
                about="""
Counts the clients of a range of months: entities and, of tokens without one, those
that differ in their policies. A client counts in each month in which it used the
server, and once in the total. Without dates these are the last twelve whole months.

    $ {prog} operator usage
    $ {prog} operator usage -start-time=2025-01 -end-time=2025-03
""",
                flags=(
                    Flag("end-time", "Last month: YYYY-MM, YYYY-MM-DD, RFC 3339 or Unix seconds.", "date"),
                    Flag("start-time", "First month, in the same forms.", "date"),
                ),
            ),
            Command(
                "migrate",
                "Copy the storage into another one",
                deferred("operator_local", "migrate"),
                usage="[options]",
                about="""
Copies all data, encrypted as it is, from one storage into an empty one, and
compares both. The servers of both must be stopped; unseal keys stay the same.

    $ {prog} operator migrate -config=migrate.hcl

The configuration names both, each as a "storage" block would be written:

    storage_source "file" {
      path = "/var/lib/vault"
    }
    storage_destination "sqlite" {
      path = "/var/lib/strongroom/"
    }
""",
                flags=(
                    Flag("config", "Configuration file."),
                    Flag("log-level", "Taken for the sake of scripts; nothing is logged.", env="VAULT_LOG_LEVEL"),
                    Flag("max-parallel", "Taken for the sake of scripts; entries are committed in batches.", "int"),
                    Flag("reset", "Let go of a migration's lock. There is none here; it does nothing.", "bool"),
                    Flag("start", "Go on from this key after an interruption."),
                ),
                http=False,
            ),
        ),
        about="""
For those who run servers; most users need none of this.

    $ {prog} operator init
    $ {prog} operator unseal
    $ {prog} operator rotate
""",
    ),
)
