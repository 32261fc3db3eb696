"""Shell completion: the scripts for bash, zsh and fish, and what they ask."""

from __future__ import annotations

from strongroom.cli.command import ANY, Command, Group, Refused, deferred, exactly
from strongroom.cli.run import Run

_BASH = r"""
# Completion of strongroom and vault for bash: eval "$(strongroom completion bash)"
_strongroom() {
    local line="${COMP_LINE:0:COMP_POINT}" IFS=$' \t\n' found before
    local -a words
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    local current="${words[${#words[@]} - 1]}"
    IFS=$'\n'
    found=($("${words[0]}" __complete -- "${words[@]:1}" 2>/dev/null))
    # Bash replaces only what stands after the last of these.
    before="${current%"${current##*[=:]}"}"
    COMPREPLY=("${found[@]#"$before"}")
    [[ ${#COMPREPLY[@]} -gt 0 && ${COMPREPLY[0]} == *[/=] ]] && compopt -o nospace
}
complete -F _strongroom strongroom vault
"""
_ZSH = r"""
#compdef strongroom vault
# Completion of strongroom and vault for zsh: eval "$(strongroom completion zsh)"
_strongroom() {
    local -a found
    found=("${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    found=(${found:#})
    compadd -S '' -- ${(M)found:#*[/=]}
    compadd -- ${found:#*[/=]}
}
compdef _strongroom strongroom vault
"""
_FISH = r"""
# Completion of strongroom and vault for fish: strongroom completion fish | source
function __strongroom_complete
    set -l words (commandline -opc)
    set -l program $words[1]
    set -e words[1]
    command $program __complete -- $words (commandline -ct) 2>/dev/null
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
Prints a script that completes commands, flags, mounts and paths in bash, zsh or
fish, for this program under both of its names. Paths are asked of the server with
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
    Command("__complete", "Answer a shell", deferred("complete", "answer"), arity=ANY, http=False, output=()),
)
