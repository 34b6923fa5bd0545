# bash completion for cim(1); the program itself knows what can follow.

# Prints the words before the cursor as cim would get them, or nearly so.
_cim_words() {
  local word
  for word in "${@//[\"\'\\]/}"; do
    # The shell makes words of their own of these.
    [ "$word" = = ] && continue
    printf '%s\n' "${word/#\~\//$HOME/}"
  done
}

_cim() {
  local words reply kind
  mapfile -t words < <(_cim_words "${COMP_WORDS[@]:1:COMP_CWORD}")
  local typed=${words[-1]-}
  # After `--option=`, the empty value.
  [ "${COMP_WORDS[COMP_CWORD]}" = = ] && { words+=(''); typed=; }
  mapfile -t reply < <("${COMP_WORDS[0]/#\~\//$HOME/}" complete -- "${words[@]}" 2>/dev/null)
  kind=${reply[0]-files}
  COMPREPLY=()
  case $kind in
    words)
      COMPREPLY=("${reply[@]:1}")
      COMPREPLY=("${COMPREPLY[@]%%$'\t'*}")
      ;;
    paths)
      compopt -o filenames
      COMPREPLY=("${reply[@]:1}")
      [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]] && compopt -o nospace
      ;;
    directories)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -d -- "$typed")
      ;;
    images)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -X '!*.cim' -- "$typed"; compgen -d -- "$typed")
      ;;
    *)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$typed")
      ;;
  esac
}

complete -F _cim cim
