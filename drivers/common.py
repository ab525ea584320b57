"""What drivers in Python share: the protocol of README.md, and that nothing they started stays.

    sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
    from common import Engine, drive

    class Xargs(Engine):
        def start(self): ...            # returns when the engine and all of its workers are ready
        def run(self, tasks): ...       # returns how many were done; the rest have failed

    if __name__ == "__main__":
        drive(Xargs)
"""

import argparse
import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time

PR_SET_CHILD_SUBREAPER = 36
CLOSE_SECONDS = 10  # for an engine's own way to end, before everything below us is killed

_protocol = None
_speaking = threading.Lock()
_ending = threading.Lock()


def say(**message):
    """One line of the protocol; whatever else is printed goes to stderr."""
    data = (json.dumps(message) + "\n").encode()
    with _speaking:
        try:
            while data:
                data = data[os.write(_protocol, data) :]
        except OSError:
            pass  # whoever listened is gone: stdin is about to end


class Engine:
    """What a driver implements. `start` and `run` are called on the main thread, one after the other."""

    version = ""
    #: the process whose time and memory are the engine's, or a list of them; the driver itself unless told otherwise
    manager_pid = None

    def __init__(self, options):
        self.options = options
        self.workers = options.workers
        self.nodes = options.nodes or 1
        self.retries = options.retries
        self.manager_pid = os.getpid()

    @staticmethod
    def add_options(parser):
        """Options of this driver alone."""

    def start(self):
        """Returns when the engine and all of its workers can take tasks."""

    def run(self, tasks):
        """`tasks`: [{"name", "argv"}]. Returns how many were done, once the last result is known.

        An engine that measures its own seconds more exactly returns (done, seconds).
        """
        raise NotImplementedError

    def kill(self, node, warning_s):
        """While `run` is at work, on another thread: `end_tree` for the node's worker, then another in its place."""
        raise NotImplementedError("this engine has no worker processes that can be killed")

    def close(self):
        """The engine's own way to end; what is left below the driver after it is killed."""

    def slots(self, node=0):
        """Of the slots, those of one node; the first nodes take what cannot be shared evenly."""
        return self.workers // self.nodes + (1 if node < self.workers % self.nodes else 0)


def parents():
    """Parent by process id, of every process there is."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="latin-1") as file:
                    text = file.read()
                found[int(entry)] = int(text[text.rindex(")") + 2 :].split()[1])
            except OSError:
                pass
    return found


def below(root):
    """All processes below `root`, itself not included."""
    by_parent = {}
    for pid, parent in parents().items():
        by_parent.setdefault(parent, []).append(pid)
    found, seen = [], [root]
    while seen:
        for pid in by_parent.get(seen.pop(), []):
            found.append(pid)
            seen.append(pid)
    return found


def signal_all(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            pass


def end_tree(pid, warning_s=0):
    """A node goes: SIGTERM to its worker and `warning_s` if that is above 0, then SIGKILL to it and all below it.

    `pid` is a child of the driver. What it leaves is found too, because it is looked for before and after.
    """
    tree = dict.fromkeys([pid, *below(pid)])  # parents first: none is to see a child of it die
    if warning_s > 0:
        signal_all([pid], signal.SIGTERM)
        give_up = time.monotonic() + warning_s
        while time.monotonic() < give_up and not _ended(pid):
            tree.update(dict.fromkeys(below(pid)))
            time.sleep(0.01)
    while True:
        before = len(tree)
        for each in list(tree):
            tree.update(dict.fromkeys(below(each)))
        signal_all(tree, signal.SIGKILL)
        if len(tree) == before:
            return


def _ended(pid):
    """Whether a process is a zombie or gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            text = file.read()
        return text[text.rindex(")") + 2] in "ZX"
    except OSError:
        return True


def _end(engine, code):
    """The engine's own end, then SIGKILL to everything below us until nothing is: what processes leave comes to us."""
    _ending.acquire()  # and never released: one end is enough
    closing = threading.Thread(target=_close, args=(engine,), daemon=True)
    closing.start()
    closing.join(CLOSE_SECONDS)
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0] > 0:
                pass
        except ChildProcessError:
            break
        signal_all(below(os.getpid()), signal.SIGKILL)
        time.sleep(0.002)
    os._exit(code)


def _close(engine):
    try:
        if engine is not None:
            engine.close()
    except BaseException as error:  # noqa: B902 (it must not keep the rest from being ended)
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)


def first_line(argv):
    """What a program prints first, as in `parallel --version`."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    text = (done.stdout or done.stderr).strip()
    return text.splitlines()[0] if text else ""


def drive(make):
    """The whole of a driver's main program; `make` is a subclass of Engine."""
    global _protocol
    began = time.monotonic()
    _protocol = os.dup(1)
    os.set_inheritable(_protocol, False)
    os.dup2(2, 1)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--nodes", type=int)
    parser.add_argument("--retries", type=int, default=0)
    make.add_options(parser)
    engine = make(parser.parse_args())
    runs = queue.Queue()

    def ended(*_):
        threading.Thread(target=_end, args=(engine, 0)).start()

    def listen():
        for line in sys.stdin:
            message = json.loads(line)
            if message["type"] == "run":
                runs.put(message["tasks"])
            elif message["type"] == "kill":
                threading.Thread(target=kill, args=(message,), daemon=True).start()
        _end(engine, 0)

    def kill(message):
        try:
            engine.kill(message["node"], message.get("warning_s", 0))
            say(type="killed", node=message["node"])
        except BaseException as error:  # noqa: B902
            print(f"kill: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            _end(engine, 1)

    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches who started us, who ends us
    threading.Thread(target=listen, daemon=True).start()
    try:
        engine.start()
        startup_s = began_ago(began)
        say(type="ready", version=engine.version, startup_s=startup_s, manager_pid=engine.manager_pid)
        while True:
            with open(runs.get(), encoding="utf-8") as file:
                tasks = [json.loads(line) for line in file]
            started = time.monotonic()
            done = engine.run(tasks)
            wall_s = time.monotonic() - started
            if isinstance(done, tuple):
                done, wall_s = done
            if _ending.locked():
                continue  # it was cut short by the end
            say(type="ran", done=done, failed=len(tasks) - done, wall_s=wall_s)
    except BaseException as error:  # noqa: B902
        # What breaks because of the end is nobody's concern, and would hide why it came.
        if not _ending.locked():
            import traceback

            traceback.print_exc()
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        _end(engine, 1)


def began_ago(began):
    """Seconds since the process began, which is before Python could look at a clock."""
    with open("/proc/self/stat", encoding="latin-1") as file:
        text = file.read()
    ticks = int(text[text.rindex(")") + 2 :].split()[19])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return max(age, time.monotonic() - began)
