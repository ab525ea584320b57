#!/bin/sh
# The same bag on Ray: TASKS=12 N=200000 CPUS=3 TOLERANCE=1e-3 scripts/run_ray.sh
cd -P -- "$(dirname -- "$0")/.." && rm -rf results/ray || exit
exec bin/holdall bench engines --engines ray --require --cold --reps "${REPS:-1}" --out results/ray \
  --tasks "${TASKS:-24}" --n "${N:-200000}" --tolerance "${TOLERANCE:-1e-3}" --workers "${CPUS:-${WORKERS:-4}}"
