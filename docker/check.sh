#!/usr/bin/env bash
# Checks that the build works: the commands respond, TensorFlow loads. No GPU is needed.
set -euo pipefail
# shellcheck source=docker/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$(dirname "${BASH_SOURCE[0]}")/.."
step 'Check'
node build/src/cli/tuneMain.js --help > /dev/null
node build/src/cli/main.js doctor || fail 'expected a backend that works'
node build/src/cli/main.js doctor --json | grep -q '"name":"tensorflow","available":true' \
  || fail 'expected TensorFlow to load; see above for the reason'
