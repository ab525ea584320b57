#!/bin/sh
# The bag on Work Queue: WQ_PORT=9233 TASKS=12 N=200000 WORKERS=3 TOLERANCE=1e-3 scripts/run_workqueue.sh
cd -P -- "$(dirname -- "$0")/.." && rm -rf results/workqueue || exit
exec bin/holdall bench engines --engines workqueue --require --cold --reps "${REPS:-1}" --out results/workqueue \
  --tasks "${TASKS:-24}" --n "${N:-200000}" --tolerance "${TOLERANCE:-1e-3}" --workers "${WORKERS:-${CPUS:-4}}"
