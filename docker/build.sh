#!/usr/bin/env bash
# Compiles tinygpt in the current folder and keeps in node_modules only what it needs to run. tfjs-node-gpu is
# excluded: setup-tensorflow.sh installs a prepared one elsewhere.
set -euo pipefail
# shellcheck source=docker/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[[ -f package-lock.json && -f tsconfig.json ]] || fail "expected a checkout of tinygpt in ${PWD}, got none"

step 'Dependencies'
npm ci --ignore-scripts --no-audit --no-fund

step 'Compile'
npx tsc -p tsconfig.json
chmod +x build/src/cli/main.js build/src/cli/tuneMain.js
node build/src/cli/main.js --version

step 'Keep what runs'
npm uninstall --no-save --omit=dev --ignore-scripts --no-audit --no-fund @tensorflow/tfjs-node-gpu
rm -rf "${HOME}/.npm"
node build/src/cli/main.js --version
