# shellcheck shell=bash
# Shared by the scripts in this folder. Source it; do not run it.

# A heading in the build's log.
step() {
  printf '\n== %s\n' "$*"
}

# Ends the build with what was expected and what to do.
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}
