"""The Ray bridge: a driver that submits what a Holdall worker hands it as JSON lines (bridges/README.md).

    ray_bridge.py --launcher FILE --cpus N --memory BYTES [--address ADDRESS] --context FILE

Each attempt is a Ray task that starts Holdall's launcher by subprocess. Without --address a Ray runtime is started here
and ends with us; with it, the driver attaches to a cluster that exists.
"""

import argparse
import ctypes
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

WANTED = "2.58."
PR_SET_CHILD_SUBREAPER = 36
OBJECT_STORE_BYTES = 80 * 1024 * 1024  # nothing of ours goes through it; the least that Ray takes is 75 MiB
CONNECT_SECONDS = 5
COLLECT_SECONDS = 0.1
WATCH_SECONDS = 0.25
MOST_SHOWN = 400

folder = None
protocol = None
speaking = threading.Lock()
ending = threading.Lock()


def say(**message):
    data = (json.dumps(message) + "\n").encode()
    with speaking:
        try:
            while data:
                data = data[os.write(protocol, data) :]
        except OSError:
            pass  # whoever listened is gone: stdin is about to end


def children():
    """Our children by process id: (name, state)."""
    found = {}
    me = os.getpid()
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="latin-1") as file:
                text = file.read()
        except OSError:
            continue
        name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
        if int(rest[1]) == me:
            found[int(entry)] = (name, rest[0])
    return found


def end(code):
    """Kills everything below us, again and again: what processes leave is re-parented to us."""
    ending.acquire()  # and never released: one end is enough
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0] > 0:
                pass
        except ChildProcessError:
            break
        for pid in children():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        time.sleep(0.002)
    if folder and "/holdall-channel-" in folder:
        shutil.rmtree(folder, ignore_errors=True)  # made by the Holdall worker, which may have had a kill -9
    os._exit(code)


def give_up(why):
    os.write(2, (" ".join(str(why).split())[:2000] + "\n").encode())
    end(1)


def run_launcher(launcher, copy, path, context, number):
    """Runs on a Ray worker. Returns what there is to say when the launcher did not do its work."""
    import hashlib
    import os
    import subprocess
    import tempfile

    import ray

    if not os.access(launcher, os.X_OK):
        content = ray.get(copy[0])
        launcher = os.path.join(tempfile.gettempdir(), "holdall-launcher-" + hashlib.sha256(content).hexdigest()[:16])
        if not os.access(launcher, os.X_OK):
            draft = f"{launcher}.{os.getpid()}"
            with open(draft, "wb") as file:
                file.write(content)
            os.chmod(draft, 0o755)
            os.rename(draft, launcher)
    here = os.access(path, os.R_OK)
    done = subprocess.run(
        [launcher, "--attempt", path if here else "/dev/stdin", str(number)],
        input=None if here else context,
        stdin=subprocess.DEVNULL if here else None,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    text = done.stderr.decode("utf-8", "replace").strip()
    return f"exit code {done.returncode}, {text}" if done.returncode or text else ""


class Driver:
    def __init__(self, ray, options):
        self.ray = ray
        self.refs = {}
        self.variants = {}
        self.launcher = options.launcher
        self.path = options.context
        with open(options.context, "rb") as file:
            self.context = file.read()
        with open(options.launcher, "rb") as file:
            self.copy = [ray.put(file.read())]  # in a list: a worker fetches it only where it lacks the file
        self.remote = ray.remote(max_retries=0)(run_launcher)  # Holdall decides what is tried again

    def start(self, number, cpus, memory):
        key = (cpus, memory)
        variant = self.variants.get(key)
        if variant is None:
            wanted = {"num_cpus": cpus if cpus < 1 else math.ceil(cpus), "max_retries": 0}
            if memory > 0:
                wanted["memory"] = memory
            variant = self.variants[key] = self.remote.options(**wanted)
        self.refs[number] = variant.remote(self.launcher, self.copy, self.path, self.context, number)

    def collect(self):
        """Launchers tell how attempts end, and at once; what Ray has to say matters where they did not."""
        while True:
            time.sleep(COLLECT_SECONDS)
            numbers = {ref: number for number, ref in list(self.refs.items())}
            if not numbers:
                continue
            ready, _ = self.ray.wait(list(numbers), num_returns=len(numbers), timeout=0)
            for ref in ready:
                number = numbers[ref]
                try:
                    message = self.ray.get(ref)
                except BaseException as error:  # a worker or a node that died, or a cancel
                    message = f"{type(error).__name__}: {' '.join(str(error).split())}"
                self.refs.pop(number, None)
                say(type="done", id=number, message=message[:MOST_SHOWN])

    def cancel(self, number):
        ref = self.refs.get(number)
        if ref is not None:
            self.ray.cancel(ref, force=False)


def watch():
    """Without its daemons a driver may wait for ever."""
    daemons = {pid: name for pid, (name, _) in children().items() if name in ("raylet", "gcs_server")}
    while True:
        time.sleep(WATCH_SECONDS)
        now = children()
        for pid, name in daemons.items():
            if now.get(pid, ("", "Z"))[1] in "ZX":
                give_up(f"Ray's {name} ended")


def check_address(address):
    """Ray itself tries for minutes to reach a cluster that is not there."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or "/" in host:
        return  # "auto", or what only Ray understands
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        give_up(f"no Ray cluster answers at {address}: {error.strerror or error}")


def start_engine(options):
    global folder
    folder = os.path.dirname(options.context)
    import ray

    if not ray.__version__.startswith(WANTED):
        give_up(f"Ray {ray.__version__} is installed, the bridge needs {WANTED}*")
    common = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    if options.address:
        check_address(options.address)
        ray.init(address=options.address, **common)
    else:
        ray.init(
            address="local",
            num_cpus=math.ceil(options.cpus),
            _memory=max(int(options.memory), 1),
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            _temp_dir=os.path.join(folder, "ray"),
            **common,
        )
        threading.Thread(target=watch, daemon=True).start()
    driver = Driver(ray, options)
    if not options.address:
        warm = ray.remote(num_cpus=1)(lambda: None)
        ray.get([warm.remote() for _ in range(math.ceil(options.cpus))])
    threading.Thread(target=driver.collect, daemon=True).start()
    return ray, driver


def main():
    global protocol
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    protocol = os.dup(1)
    os.set_inheritable(protocol, False)
    os.dup2(2, 1)  # whatever Ray prints must not come among the lines
    parser = argparse.ArgumentParser()
    for name in ("launcher", "context"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("cpus", "memory"):
        parser.add_argument(f"--{name}", type=float, required=True)
    parser.add_argument("--address")
    options = parser.parse_args()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

    # stdin ends when the Holdall worker is gone, also while Ray still starts.
    lines = []
    arrived = threading.Condition()

    def read():
        for text in sys.stdin:
            with arrived:
                lines.append(text)
                arrived.notify()
        end(0)

    threading.Thread(target=read, daemon=True).start()
    try:
        ray, driver = start_engine(options)
    except BaseException as error:
        give_up(f"{type(error).__name__}: {error}")
    say(
        type="hello",
        protocol=1,
        name="ray",
        version=ray.__version__,
        capabilities={
            "cpus": True,
            "memory": True,
            "retries": False,
            "cancel": True,
            "staging": False,
            "priorities": False,
            "output": False,
        },
    )
    while True:
        with arrived:
            while not lines:
                arrived.wait()
            batch, lines[:] = lines[:], []
        for text in batch:
            try:
                line = json.loads(text)
                if line["type"] == "start":
                    driver.start(line["id"], line["cpus"], line["memory_bytes"])
                elif line["type"] == "cancel":
                    driver.cancel(line["id"])
                elif line["type"] == "close":
                    if options.address:
                        threading.Timer(5, end, [0]).start()
                        ray.shutdown()
                    end(0)
            except BaseException as error:
                give_up(f"{type(error).__name__}: {error}")


main()
