#!/bin/bash
# One worker per array task, each on a GPU of its own, all on one study. Submit it again to resume or to add workers:
#
#   sbatch --array=0-15 --export=ALL,STUDY=night deploy/slurm.sh --gpus all --hours 8 --trial-seconds 300
#
# What follows the script's name is passed on to tinygpt tune: with --gpus all, a task that cannot use its GPU fails instead of
# going on with the CPU. Workers meet in a journal on the shared folder, or, with STORAGE=redis://host:6379 in the environment,
# on a server. A task that reaches its time limit is told two minutes before.
#SBATCH --job-name=tinygpt
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --gpus-per-task=1
#SBATCH --time=09:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --output=%x-%A-%a.log
set -euo pipefail

study=${STUDY:-night}
# Where the project is, and a folder that all nodes see.
project=${TINYGPT_HOME:-$SLURM_SUBMIT_DIR}
shared=${TINYGPT_SHARED:-$SLURM_SUBMIT_DIR}
export TINYGPT_CACHE=${TINYGPT_CACHE:-$shared/cache}

place=(--name "$study" --out "$shared/studies/$study")
if [ -n "${STORAGE:-}" ]; then
  place=(--name "$study" --out "$shared/studies/$study/$SLURM_ARRAY_TASK_ID" --storage "$STORAGE")
fi
main=$project/build/src/cli/main.js
if [ ! -f "$main" ]; then main=$project/node_modules/tinygpt/build/src/cli/main.js; fi

# In the background, so that bash passes the signal on at once; the worker then records its running trial.
node "$main" tune "${place[@]}" "$@" &
worker=$!
trap 'kill -TERM "$worker"' TERM INT
code=0
wait "$worker" || code=$?
# A signal ends the wait, not the worker.
while kill -0 "$worker" 2>/dev/null; do
  code=0
  wait "$worker" || code=$?
done
exit "$code"
