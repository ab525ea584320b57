"""The Ray bridge: a driver that submits what a Holdall worker hands it as JSON lines (bridges/README.md).

    ray_bridge.py --launcher FILE --cpus N --memory BYTES [--address ADDRESS] --context FILE

Each attempt is a Ray task that starts Holdall's launcher. Without --address a Ray runtime is started here
and ends with us; with it, the driver attaches to a cluster that exists.
"""

import math
import os
import socket
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../common"))
from holdall_bridge import Engine, children, give_up, launching, run_bridge, watch

WANTED = "2.58."
OBJECT_STORE_BYTES = 80 * 1024 * 1024  # nothing of ours goes through it; the least that Ray takes is 75 MiB
CONNECT_SECONDS = 5


def check_address(address):
    """Ray itself tries for minutes to reach a cluster that is not there."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or "/" in host:
        return  # "auto", or what only Ray understands
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        give_up(f"no Ray cluster answers at {address}: {error.strerror or error}")


class Ray(Engine):
    name = "ray"
    carries = ("cpus", "memory", "cancel")

    @staticmethod
    def add_options(parser):
        parser.add_argument("--address")

    def start(self):
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        self.ray, self.version = ray, ray.__version__
        if not self.version.startswith(WANTED):
            give_up(f"Ray {self.version} is installed, the bridge needs {WANTED}*")
        options = self.options
        self.attached = options.address is not None
        self.refs, self.variants = {}, {}
        copy = context = None
        common = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
        if self.attached:
            check_address(options.address)
            ray.init(address=options.address, **common)
            with open(options.launcher, "rb") as launcher, open(options.context, "rb") as file:
                copy, context = launcher.read(), file.read()
        else:
            ray.init(
                address="local",
                num_cpus=math.ceil(options.cpus),
                _memory=max(int(options.memory), 1),
                object_store_memory=OBJECT_STORE_BYTES,
                include_dashboard=False,
                _temp_dir=os.path.join(self.folder, "ray"),
                **common,
            )
            daemons = {pid: name for pid, (name, _) in children().items() if name in ("raylet", "gcs_server")}
            watch({pid: f"Ray's {name}" for pid, name in daemons.items()})
        # Sent to each worker once, with all that it needs. Holdall decides what is tried again.
        self.remote = ray.remote(max_retries=0)(launching(options.launcher, copy, options.context, context))
        if not self.attached:
            warm = ray.remote(num_cpus=1)(lambda: None)
            ray.get([warm.remote() for _ in range(math.ceil(options.cpus))])

    def submit(self, batch):
        for number, cpus, memory in batch:
            variant = self.variants.get((cpus, memory))
            if variant is None:
                wanted = {"num_cpus": cpus if cpus < 1 else math.ceil(cpus), "max_retries": 0}
                if memory > 0:
                    wanted["memory"] = memory
                variant = self.variants[cpus, memory] = self.remote.options(**wanted)
            self.refs[variant.remote(number)] = number

    def finished(self):
        refs = list(self.refs)
        ready, _ = self.ray.wait(refs, num_returns=len(refs), timeout=0, fetch_local=False) if refs else ([], [])
        for ref in ready:
            message = ""
            try:
                self.ray.get(ref)
            except BaseException as error:  # a worker or a node that died, or a cancel, or what the launcher said
                message = str(getattr(error, "cause", None) or f"{type(error).__name__}: {error}")
            yield self.refs.pop(ref), message

    def cancel(self, number):
        for ref, each in self.refs.items():
            if each == number:
                self.ray.cancel(ref, force=False)
                return

    def close(self):
        self.ray.shutdown()


if __name__ == "__main__":
    run_bridge(Ray)
