#!/bin/bash
# Runs the CUDA tests on an interpreter of PTX that stands in for the driver, one process per test file:
#   test/cuda/ptx.sh [TEST...]          e.g. backend/cuda/kernelsRows; default: all of them, then golden runs and random models
# PTX_LIBRARIES is the folder with its libcuda.so.1, libnvrtc.so.12 and libcublasLt.so.12; without it everything is skipped.
# Every test runs as it comes, and again with races and unset shared memory reported and threads in random order.
# PTX_CHIPS="80 90" sets the compute capabilities, PTX_SEEDS="1 2" the seeds of the random order.
cd "$(dirname "$0")/../.." || exit 1
if [ -z "$PTX_LIBRARIES" ] || [ ! -e "$PTX_LIBRARIES/libcuda.so.1" ]; then
  echo "skipped: tests at the PTX level (PTX_LIBRARIES names no folder with libcuda.so.1)"
  exit 0
fi
TESTS=("$@")
[ $# -gt 0 ] || TESTS=(backend/cuda/{kernelsRows,kernelsOptimizers,kernelsAttention,tableRows,activations,ops,golden,random,step} backend/checks/cuda)
export TINYGPT_CUDA_CUDNN=off # the interpreter has no cuDNN, and the real one would not know its driver
failed=0
attempt() { # label, command...
  local label=$1 log
  shift
  log=$(mktemp)
  if "$@" >"$log" 2>&1; then echo "ok      $label: $(grep -hE '^Tests:|^passed|passed$' "$log" | tail -1)"
  else echo "FAILED  $label"; tail -60 "$log"; failed=1; fi
  rm -f "$log"
}
jest() { # the tests point the backend at the interpreter themselves
  env -u TINYGPT_CUDA_LIBRARIES TMPDIR="$PTX_LIBRARIES/tmp" \
    node --experimental-vm-modules --no-warnings node_modules/jest/bin/jest.js -i "build/test/$1"
}
verify() { TINYGPT_CUDA_LIBRARIES=$PTX_LIBRARIES node build/src/cli/main.js verify --backend cuda "$@"; }
mkdir -p "$PTX_LIBRARIES/tmp"
for chip in ${PTX_CHIPS:-80}; do
  export PTX_CHIP=$chip
  for test in "${TESTS[@]}"; do
    attempt "$test, sm_$chip" jest "$test"
    for seed in ${PTX_SEEDS:-1}; do
      PTX_RACES=1 PTX_UNSET=1 PTX_RANDOM=1 PTX_SEED=$seed attempt "$test, sm_$chip, races, random order $seed" jest "$test"
    done
  done
  [ $# -gt 0 ] && continue
  for precision in fp32 bf16; do
    attempt "golden runs, $precision, sm_$chip" verify --precision $precision test/golden/gpt/*.safetensors
    attempt "random models, $precision, sm_$chip" verify --precision $precision --random 3
    PTX_RACES=1 PTX_UNSET=1 PTX_RANDOM=2 attempt "random models, $precision, sm_$chip, races, random order" \
      verify --precision $precision --random 1 --size small
  done
done
exit $failed
