"""Shell completion: the scripts for bash, zsh and fish, and what they ask."""

from __future__ import annotations

from strongroom.cli.command import Command, Group, Refused, between, deferred, exactly
from strongroom.cli.flags import Flag
from strongroom.cli.run import Run

_BASH = r"""
# Completion of strongroom and vault for bash: eval "$(strongroom completion bash)"
_strongroom() {
    local IFS=$'\n'
    COMPREPLY=($("${COMP_WORDS[0]/#\~/$HOME}" __complete -shell=bash "-breaks=$COMP_WORDBREAKS" \
        -- "${COMP_LINE:0:COMP_POINT}" 2>/dev/null))
    # Behind a folder or a flag goes on what was begun.
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[/=] ]] && compopt -o nospace
}
complete -F _strongroom strongroom vault
"""
_ZSH = r"""
#compdef strongroom vault
# Completion of strongroom and vault for zsh: eval "$(strongroom completion zsh)"
_strongroom() {
    local line="${(j: :)words[1,CURRENT-1]} $QIPREFIX$PREFIX" entry
    local -a open_words open_shown done_words done_shown
    for entry in "${(@f)$("${(Q)words[1]/#\~/$HOME}" __complete -shell=zsh -- "$line" 2>/dev/null)}"; do
        local word="${entry%%$'\t'*}" shown="${entry/$'\t'/  -- }"
        [[ -z $word ]] && continue
        # Behind a folder or a flag goes on what was begun.
        if [[ $word == *[/=] ]]; then
            open_words+=("$word") open_shown+=("$shown")
        else
            done_words+=("$word") done_shown+=("$shown")
        fi
    done
    compadd -l -S '' -d open_shown -a open_words
    compadd -l -d done_shown -a done_words
}
if [[ $funcstack[1] == _strongroom ]]; then
    _strongroom "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
    compdef _strongroom strongroom vault
fi
"""
_FISH = r"""
# Completion of strongroom and vault for fish: strongroom completion fish | source
function __strongroom_complete
    set -l line (commandline -cp)
    set -l words (commandline -opc)
    command $words[1] __complete -shell=fish -- "$line" 2>/dev/null
end
complete -c strongroom -f -a '(__strongroom_complete)'
complete -c vault -f -a '(__strongroom_complete)'
"""
SCRIPTS = {"bash": _BASH, "fish": _FISH, "zsh": _ZSH}


def _script(run: Run) -> int:
    shell = run.args[0]
    if shell not in SCRIPTS:
        raise Refused(f"Unknown shell: {shell}. There is completion for {', '.join(sorted(SCRIPTS))}.")
    run.ui.out(SCRIPTS[shell].strip("\n"))
    return 0


COMMANDS: tuple[Command | Group, ...] = (
    Command(
        "completion",
        "Print the completion script for a shell",
        _script,
        usage="SHELL",
        about="""
Prints a script that completes commands, flags, mounts, paths and files in bash, zsh
or fish, for this program under both of its names. Paths are asked of the server with
the token in use; without an answer within two seconds there are none.

    $ eval "$({prog} completion bash)"
    $ eval "$({prog} completion zsh)"
    $ {prog} completion fish | source

Put the line into ~/.bashrc or ~/.zshrc, for fish into config.fish.
""",
        arity=exactly(1),
        http=False,
        output=(),
    ),
    Command(
        "__complete",
        "Answer a shell",
        deferred("complete", "answer"),
        usage="LINE",
        flags=(
            Flag("shell", "The shell that asks: bash, zsh or fish."),
            Flag("breaks", "Characters at which this shell takes words apart."),
        ),
        arity=between(0, 1),
        http=False,
        output=(),
    ),
)
