"""The Dask bridge: a client that submits what a Holdall worker hands it as JSON lines (bridges/README.md).

    dask_bridge.py --launcher FILE --cpus N --memory BYTES [--address ADDRESS] --context FILE

Each attempt is a Dask task that starts Holdall's launcher. Without --address a scheduler and a worker are started here
and end with us; with it, the client attaches to a scheduler that exists.
"""

import math
import os
import subprocess
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../common"))
from holdall_bridge import Engine, launching, run_bridge, watch

CONNECT_SECONDS = 10
SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,  # Holdall decides what is tried again
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.worker-saturation": 2.0,  # a worker has its next task when one ends
    "distributed.admin.system-monitor.interval": "10s",
}


class Dask(Engine):
    name = "dask"

    @staticmethod
    def add_options(parser):
        parser.add_argument("--address")

    def start(self):
        import logging

        import dask
        import distributed

        logging.getLogger("distributed").setLevel(logging.ERROR)
        self.version = distributed.__version__
        self.attached = self.options.address is not None
        self.futures = {}
        copy = context = None
        if self.attached:
            self.carries = ("cancel",)
            self.client = distributed.Client(self.options.address, timeout=CONNECT_SECONDS, set_as_default=False)
            workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
            shares = [each["memory_limit"] // max(each["nthreads"], 1) for each in workers]
            self.slot_memory_bytes = min(shares, default=0)
            with open(self.options.launcher, "rb") as launcher, open(self.options.context, "rb") as file:
                copy, context = launcher.read(), file.read()
        else:
            self.carries = ("cpus", "memory", "cancel")
            dask.config.set(SETTINGS)
            cpus = math.ceil(self.options.cpus)
            self.cluster = distributed.LocalCluster(
                n_workers=0, host="127.0.0.1", dashboard_address=None, silence_logs=logging.ERROR
            )
            worker = subprocess.Popen(
                [
                    *(sys.executable, "-m", "distributed.cli.dask_worker", self.cluster.scheduler_address),
                    *("--nthreads", str(cpus), "--no-nanny", "--no-dashboard", "--memory-limit", "0"),
                    *("--resources", f"cpus={cpus} memory={max(int(self.options.memory), 1)}"),
                    *("--local-directory", os.path.join(self.folder, "dask"), "--death-timeout", "60"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            watch({worker.pid: "Dask's worker"})
            self.client = distributed.Client(self.cluster, set_as_default=False)
            self.client.wait_for_workers(1)
        self.launch = launching(self.options.launcher, copy, self.options.context, context)

    def submit(self, batch):
        variants = {}
        for number, cpus, memory in batch:
            variants.setdefault((cpus, memory), []).append(number)
        for (cpus, memory), numbers in variants.items():
            wanted = None if self.attached else {"cpus": cpus, "memory": memory}
            keys = [f"holdall-{number:010d}" for number in numbers]  # run in the order of their names
            # Without a fifo_timeout what comes soon after another batch would run among it.
            futures = self.client.map(
                self.launch, numbers, key=keys, resources=wanted, retries=0, pure=False, fifo_timeout=0
            )
            self.futures.update(zip(numbers, futures))

    def finished(self):
        for number in [number for number, future in self.futures.items() if future.done()]:
            # Not its result, which would have to be fetched from the worker.
            future = self.futures.pop(number)
            if future.status == "error":
                error = future.exception()
                yield number, f"{type(error).__name__}: {error}"
            else:
                yield number, "" if future.status == "finished" else future.status

    def cancel(self, number):
        future = self.futures.get(number)
        if future is not None:
            self.client.cancel([future], asynchronous=True)

    def close(self):
        self.client.close(timeout=1)


if __name__ == "__main__":
    run_bridge(Dask)
