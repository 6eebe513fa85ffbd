#!/usr/bin/env bash
# Prepares TensorFlow in $TINYGPT_CACHE. Arguments go to `tinygpt setup tensorflow`: --gpu, --from, --release.
set -euo pipefail
# shellcheck source=docker/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[[ -n "${TINYGPT_CACHE:-}" ]] || fail 'expected TINYGPT_CACHE to name the folder to prepare in; set it'
command -v g++ >/dev/null || fail 'expected a C++ compiler; apt-get install g++'

step "TensorFlow ($*)"
node build/src/cli/main.js setup tensorflow "$@"
# Readable for whoever runs the image.
chmod -R a+rX "${TINYGPT_CACHE}"
rm -rf "${HOME}/.npm"
