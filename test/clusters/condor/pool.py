"""Starts and ends an HTCondor pool on this host: see `start`, which is what to call."""

import argparse
import ctypes
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / "bridges" / "htcondor"))
sys.path.append(str(ROOT / "bridges" / "common"))
import condor
from holdall_bridge import end_descendants

PR_SET_CHILD_SUBREAPER = 36

ending = threading.Lock()


def end(code, folder):
    """What processes leave comes to us, so nothing is left when we have no child."""
    ending.acquire()  # and never released: one end is enough
    end_descendants()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(code)


def wrap(tools, folder):
    """HTCondor's commands as they have to be called for this pool."""
    folder.mkdir()
    for program in condor.OWN.joinpath("bin").iterdir():
        path = folder / program.name
        command = " ".join(map(shlex.quote, tools.argv(program.name)))
        config = shlex.quote(str(tools.config))
        path.write_text(f'#!/bin/sh\nCONDOR_CONFIG={config} exec {command} "$@"\n')
        path.chmod(0o755)


def main():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--memory", type=int, default=2000)
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    folder = options.dir.resolve()
    folder.mkdir(parents=True, exist_ok=True)

    def listen():
        while os.read(0, 4096):
            pass
        end(0, folder)

    def stopped(number, _):
        threading.Thread(target=end, args=(128 + number, folder)).start()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stopped)
    if not options.command:
        threading.Thread(target=listen, daemon=True).start()
    try:
        pool = condor.Pool(folder, [options.cpus] * options.nodes, options.memory * options.nodes * 1024**2)
        pool.start()
        wrap(pool.tools, folder / "bin")
    except condor.CondorError as error:
        print(f"condor pool: {error}", file=sys.stderr, flush=True)
        end(1, folder)
    if options.command:
        path = f"{folder / 'bin'}:{os.environ.get('PATH', '/usr/bin:/bin')}"
        end(subprocess.call(options.command, env={**os.environ, "PATH": path}), folder)
    print(json.dumps({"ready": True, "bin": str(folder / "bin"), "config": str(pool.tools.config)}), flush=True)
    while True:
        time.sleep(3600)


main()
