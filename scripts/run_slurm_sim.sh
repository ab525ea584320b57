#!/bin/sh
# A bag on Slurm, the site's or four nodes on this machine, as pilots, steps, an array and jobs: writes results/slurm_sim_summary.txt
cd -P -- "$(dirname -- "$0")/.." && rm -rf results/slurm_sim || exit
exec bin/holdall bench slurm --quick --out results/slurm_sim --summary results/slurm_sim_summary.txt \
  ${TASKS:+--tasks "$TASKS"} ${N:+--n "$N"} ${TOLERANCE:+--tolerance "$TOLERANCE"}
