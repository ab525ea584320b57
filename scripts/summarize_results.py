#!/usr/bin/env python3
"""Writes results/benchmark_summary.txt from what run_workqueue.sh and run_ray.sh measured."""
import os
import pathlib

os.chdir(pathlib.Path(__file__).resolve().parent.parent)
command = ["bin/holdall", "bench", "summary", "results/workqueue", "results/ray"]
os.execv(command[0], [*command, "--out", "results/benchmark_summary.txt"])
