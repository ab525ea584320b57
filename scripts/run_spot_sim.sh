#!/bin/sh
# Work Queue and Ray while their workers are killed: writes results/spot_sim_summary.txt
cd -P -- "$(dirname -- "$0")/.." && rm -rf results/spot_sim || exit
exec bin/holdall bench spot --quick --engines "${ENGINES:-workqueue,ray}" --out results/spot_sim \
  --summary results/spot_sim_summary.txt ${TASKS:+--tasks "$TASKS"} ${WORKERS:+--workers "$WORKERS"}
