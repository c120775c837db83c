# How long the session still goes on, in the shell's prompt: (jit: 12m left).
#
# For bash and zsh. Put this line at the end of ~/.bashrc or ~/.zshrc:
#
#     . /usr/share/jitd/prompt.sh
#
# It asks the daemon at most every 20 seconds, waits a second at most, and follows an extension by itself.

_jit_left() {
    local before=$?
    if [ -n "${JIT_GRANT-}" ] && [ $((SECONDS - _jit_asked)) -ge 20 ]; then
        _jit_asked=$SECONDS
        JIT_LEFT=$(timeout 1 jit status --left 2>/dev/null)
        JIT_LEFT=${JIT_LEFT:+"(jit: $JIT_LEFT) "}
    fi
    return $before
}

if [ -z "${_jit_asked-}" ]; then
    _jit_asked=-60
    if [ -n "${ZSH_VERSION-}" ]; then
        setopt prompt_subst
        precmd_functions+=(_jit_left)
        PS1='${JIT_LEFT-}'$PS1
    elif [ -n "${BASH_VERSION-}" ]; then
        PROMPT_COMMAND="_jit_left${PROMPT_COMMAND:+; $PROMPT_COMMAND}"
        PS1='${JIT_LEFT-}'$PS1
    fi
fi
