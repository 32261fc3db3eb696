"""The commands of `kv` beyond Vault's, declared; each module is loaded when its command runs."""

from __future__ import annotations

from strongroom.cli.command import Arity, Command, deferred, exactly
from strongroom.cli.flags import Flag
from strongroom.cli.kv_paths import MOUNT

_RIGHTS = """
It takes the rights to do the same by hand: the source's "read" (to move it also
"delete") on data and metadata, and "create" at the destination; and "update" on
the endpoint itself. What is missing is said.
"""

EXTRAS: tuple[Command, ...] = (
    Command(
        "mv",
        "Move a secret with all its versions",
        deferred("kv_transfer", "move"),
        usage="[options] SOURCE DESTINATION",
        about=f"""
Moves a secret with its versions and metadata to another path of its mount, in
one step: nothing of it leaves the server. A destination that ends in "/" is a
folder. There must be nothing at the destination yet.

    $ {{prog}} kv mv secret/app secret/old/app
    $ {{prog}} kv mv secret/app secret/old/
{_RIGHTS}""",
        flags=(MOUNT,),
        arity=exactly(2),
    ),
    Command(
        "cp",
        "Copy a secret with all its versions",
        deferred("kv_transfer", "copy"),
        usage="[options] SOURCE DESTINATION",
        about=f"""
Copies a secret with its versions and metadata to another path of its mount, in
one step: nothing of it leaves the server.

    $ {{prog}} kv cp secret/app secret/staging/app
{_RIGHTS}""",
        flags=(MOUNT,),
        arity=exactly(2),
    ),
    Command(
        "find",
        "List the secrets below a path, folders included",
        deferred("kv_tree", "find"),
        usage="[options] PATH",
        about="""
Prints the path of every secret below a path, one a line, as they are found.

    $ {prog} kv find secret
    $ {prog} kv find -name='*-db' secret/team

The exit code is 2 if there are none, or if a folder may not be listed.
""",
        flags=(MOUNT, Flag("name", "Only those whose last part matches, with * and ?.")),
        arity=Arity(0, 1, "1"),
    ),
    Command(
        "tree",
        "Show what is below a path as a tree",
        deferred("kv_tree", "tree"),
        usage="[options] PATH",
        about="""
Shows the keys below a path, folders and what is in them. It asks page by page, so
that it does not matter how many there are.

    $ {prog} kv tree secret
    $ {prog} kv tree -depth=1 -format=json secret/team
""",
        flags=(MOUNT, Flag("depth", "How many levels to show; 0 for all.", "int")),
        arity=Arity(0, 1, "1"),
    ),
    Command(
        "stale",
        "List the secrets that nobody reads any more",
        deferred("kv_stale", "stale"),
        usage="[options] PATH",
        about="""
Lists the secrets below a path, folders included, that nobody has read for some
time, with who read them last. One that was never read counts from its creation;
reads from before the server noted them are not known.

    $ {prog} kv stale secret/
    $ {prog} kv stale -unused=30d -format=json secret/team

With -unused=0 it lists all secrets with their last reads. The token must be allowed
to "list" on the mount's "stale/" and "metadata/" and to "read" the metadata; what it
may not look at is named on stderr, and the exit code is then 2.
""",
        flags=(
            MOUNT,
            Flag("unused", "Only those not read for so long, such as 90d or 12h.", "duration", default="90d"),
        ),
        arity=exactly(1),
    ),
    Command(
        "diff",
        "Compare two versions of a secret",
        deferred("kv_diff", "diff"),
        usage="[options] KEY",
        about="""
Names the keys that were removed (-), changed (~) and added (+) between two
versions of a secret, by default the last two.

    $ {prog} kv diff secret/app
    $ {prog} kv diff -version=1 -version=4 -values secret/app
""",
        flags=(
            MOUNT,
            Flag("values", "Show the values too.", "bool"),
            Flag("version", "A version; give two, the older one first.", "list"),
        ),
        arity=exactly(1),
    ),
    Command(
        "export",
        "Print a secret as .env, JSON or YAML",
        deferred("kv_files", "export"),
        usage="[options] KEY",
        about="""
Prints the keys and values of a secret, and nothing else: as a .env file, or with
-format as JSON or YAML. "kv import" takes all three back.

    $ {prog} kv export secret/app > .env
    $ {prog} kv export -format=json -recursive secret/team > team.json
""",
        flags=(
            MOUNT,
            Flag("recursive", "All secrets below the path, as an object of objects.", "bool"),
            Flag("version", "Version to print; 0 is the newest.", "int"),
        ),
        arity=exactly(1),
    ),
    Command(
        "import",
        "Write a secret from .env, JSON or YAML",
        deferred("kv_files", "import_"),
        usage="[options] KEY FILE",
        about="""
Writes what a file holds as a new version of a secret; "-" is stdin. The end of the
file's name says what it is, else -as does.

    $ {prog} kv import secret/app .env
    $ {prog} kv import -recursive secret/team team.json
    $ sops -d app.yaml | {prog} kv import -as=yaml secret/app -
""",
        flags=(
            MOUNT,
            Flag("as", "What the file is: env, json or yaml."),
            Flag("cas", "Write only if this is the current version; 0 only if there is none yet.", "int"),
            Flag("new", "Write only what is not there yet; the same as -cas=0 for each.", "bool"),
            Flag("recursive", "The file holds an object for each secret, by its path below KEY.", "bool"),
        ),
        arity=exactly(2),
    ),
)
