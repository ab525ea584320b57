/** What the shells load. Each asks `holdall __complete` with the words before the cursor. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** `=` and `:` end a word for readline, not for holdall: words are put together again, and answers cut. */
const BASH = `# holdall completion bash: load it with  source <(holdall completion bash)
_holdall() {
  local current=\${COMP_WORDS[COMP_CWORD]} word kind line prefix i
  local -a words=() lines=()
  COMPREPLY=()
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if ((\${#words[@]} > 0)) && { [[ $word == [=:]* ]] || [[ \${COMP_WORDS[i - 1]} == [=:] ]]; }; then
      words[\${#words[@]} - 1]+=$word
    else
      words+=("$word")
    fi
  done
  [[ $current == [=:] ]] && current=
  prefix=\${words[\${#words[@]} - 1]}
  prefix=\${prefix%"$current"}
  mapfile -t lines < <("$1" __complete "\${words[@]}" 2>/dev/null)
  kind=\${lines[0]-}
  case $kind in
    :files) return ;;
    :dirs) compopt -o dirnames 2>/dev/null; return ;;
  esac
  compopt +o default +o bashdefault 2>/dev/null
  for line in "\${lines[@]:1}"; do
    line=\${line%%$'\\t'*}
    line=\${line#"$prefix"}
    printf -v line %q "$line"
    COMPREPLY+=("$line")
  done
}
complete -o bashdefault -o default -F _holdall holdall
`;

const ZSH = `#compdef holdall
# holdall completion zsh: load it with  source <(holdall completion zsh)
_holdall() {
  local -a lines proposals
  local line value
  lines=("\${(@f)$("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  case \${lines[1]} in
    :files) _files; return ;;
    :dirs) _files -/; return ;;
  esac
  for line in "\${(@)lines[2,-1]}"; do
    value=\${line%%$'\\t'*}
    if [[ $line == *$'\\t'* ]]; then
      proposals+=("\${value//:/\\\\:}:\${line#*$'\\t'}")
    else
      proposals+=("\${value//:/\\\\:}")
    fi
  done
  _describe -V holdall proposals
}
if [[ \${zsh_eval_context[-1]} == loadautofunc ]]; then
  _holdall "$@"
else
  compdef _holdall holdall
fi
`;

const FISH = `# holdall completion fish: load it with  holdall completion fish | source
function __holdall_complete
    set -l words (commandline -opc)
    set -l lines ($words[1] __complete $words[2..-1] (commandline -ct) 2>/dev/null)
    switch "$lines[1]"
        case :files
            __fish_complete_path (commandline -ct)
        case :dirs
            __fish_complete_directories (commandline -ct)
        case '*'
            test (count $lines) -gt 1; and printf '%s\\n' $lines[2..-1]
    end
end
complete -c holdall -f -a '(__holdall_complete)'
`;

export const COMPLETION_SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: BASH,
  zsh: ZSH,
  fish: FISH,
};
