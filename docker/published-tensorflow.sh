#!/usr/bin/env bash
# The published tfjs-node-gpu (libtensorflow 2.9.1, CUDA 11.2) in $1, by its own install script.
set -euo pipefail
# shellcheck source=docker/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

folder="${1:?expected the folder to install in}"
package='@tensorflow/tfjs-node-gpu'
mkdir -p "${folder}"
cd "${folder}"
step "${package} with its own libtensorflow"
printf '{ "private": true, "allowScripts": { "%s": true } }\n' "${package}" > package.json
npm install --ignore-scripts --no-audit --no-fund "${package}@4.22.0"
# Its install script ends with a stack trace, or leaves nothing, when a download is refused.
if ! npm rebuild "${package}" --ignore-scripts=false --foreground-scripts \
  || [[ ! -f "node_modules/${package}/lib/napi-v8/tfjs_binding.node" ]]; then
  fail "expected the install script of ${package} to download libtensorflow 2.9.1 and an addon, got less (see above); use the target cuda12"
fi
rm -rf "${HOME}/.npm"
