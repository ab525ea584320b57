#!/bin/sh
# Builds the kernels and the drivers, and installs the engines; minutes the first time, nothing to do the next.
cd -P -- "$(dirname -- "$0")/.." && exec sh scripts/setup --engines
