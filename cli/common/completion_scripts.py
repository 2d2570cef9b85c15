"""The scripts that make a shell ask tfg for completions.

A script calls ``tfg`` with ``_TFG_COMPLETE`` set to the name of the shell. zsh and fish pass the words up to the cursor
in ``_TFG_WORDS``, one per line; bash, which splits words at ``=`` and ``:``, passes the line up to the cursor in
``_TFG_LINE`` and the part that it replaces in ``_TFG_PART``. tfg prints a candidate per line, in zsh and fish with a
description behind a tab; a line ``:file`` asks the shell to complete file names.
"""

from __future__ import annotations

_BASH = """\
_tfg_completion() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            :file) compopt -o default ;;
            *[=/@[:]) compopt -o nospace; COMPREPLY+=("$line") ;;
            *) COMPREPLY+=("$line") ;;
        esac
    done < <(_TFG_COMPLETE=bash _TFG_LINE="${COMP_LINE:0:COMP_POINT}" _TFG_PART="$2" "$1" 2>/dev/null)
}
complete -F _tfg_completion tfg
"""

_ZSH = """\
#compdef tfg
_tfg() {
    local line name
    local -a finished open files
    local -a plain=("${(@Q)words[1,CURRENT]}")
    for line in "${(@f)$(_TFG_COMPLETE=zsh _TFG_WORDS="${(F)plain}" "$plain[1]" 2>/dev/null)}"; do
        name="${line%%$'\\t'*}"
        case $name in
            '') ;;
            :file) files=(yes) ;;
            *[=/@[:]) open+=("$name") ;;
            *) finished+=("${name//:/\\\\:}${${line#$name}/$'\\t'/:}") ;;
        esac
    done
    (( $#open )) && compadd -S '' -- $open
    (( $#finished )) && _describe tfg finished
    (( $#files )) && _files
    return 0
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _tfg "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit -u -D; }
    compdef _tfg tfg
fi
"""

_FISH = """\
function _tfg_completion
    set -l words (commandline -opc) (commandline -ct)
    set -l program $words[1]
    set -lx _TFG_COMPLETE fish
    set -lx _TFG_WORDS (string join \\n -- $words | string collect)
    for line in ($program 2>/dev/null)
        if test "$line" = :file
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete --no-files --command tfg --arguments "(_tfg_completion)"
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
