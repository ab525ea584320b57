#!/bin/sh
# Builds the kernels and drivers, and installs what the tests need: minutes the first time, nothing to do the next.
cd -P -- "$(dirname -- "$0")/.." && exec sh scripts/setup --all
