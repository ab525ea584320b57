"""Runs a one-host HTCondor pool until its stdin ends, or SIGTERM; then nothing of it is left.

    condor_pool.py --folder FOLDER --cpus N[,N...] --memory BYTES     a pool of ours, a node for each N
    condor_pool.py --remove CONSTRAINT                                the site's pool: when stdin ends, jobs are removed

The first line on stdout is {"type":"ready","version":…,"tools":…}, or nothing when it fails; stderr says why.
It is a process of its own so that it outlives a bridge that is killed.
"""

import argparse
import ctypes
import os
import shutil
import signal
import sys
import threading
import time

import condor

PR_SET_CHILD_SUBREAPER = 36
REMOVE_SECONDS = 8

ending = threading.Lock()


def end(code, tools=None, constraint=None, folder=None):
    ending.acquire()  # and never released: one end is enough
    if constraint is not None:
        remove(tools, constraint)
    condor.end_everything()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(code)


def remove(tools, constraint):
    """Twice: who submitted them may have been ended while another condor_submit was under way."""
    give_up = time.monotonic() + REMOVE_SECONDS
    for wait in (0, 0.5):
        time.sleep(wait)
        try:
            tools.run("condor_rm", "-constraint", constraint, seconds=max(1, give_up - time.monotonic()))
        except condor.CondorError as error:
            # "not found" is what it says when there are none.
            if "Couldn't find" not in str(error) and "matching" not in str(error):
                print(error, file=sys.stderr, flush=True)


def main():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder")
    parser.add_argument("--cpus")
    parser.add_argument("--memory", type=float, default=2**30)
    parser.add_argument("--remove")
    options = parser.parse_args()
    tools = None if options.folder else condor.Tools()
    last = {"tools": tools, "constraint": options.remove, "folder": options.folder}

    def listen():
        while os.read(0, 4096):
            pass
        end(0, **last)

    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=end, args=(0,), kwargs=last).start())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=listen, daemon=True).start()
    try:
        if options.folder:
            pool = condor.Pool(options.folder, [int(each) for each in options.cpus.split(",")], options.memory)
            pool.start()
            tools = pool.tools
        else:
            pool = None
            tools.run("condor_q", "-limit", "1", "-af", "ClusterId", seconds=20)
        os.write(1, condor.line(type="ready", version=tools.version(), tools=tools.describe()))
        if pool is not None:
            pool.central.wait()
            print("HTCondor's condor_master ended", file=sys.stderr, flush=True)
            end(1, **last)
        threading.Event().wait()
    except condor.CondorError as error:
        print(error, file=sys.stderr, flush=True)
        last["constraint"] = None
        end(1, **last)


main()
