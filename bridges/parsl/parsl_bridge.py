"""The Parsl bridge: hands what a Holdall worker tells it as JSON lines to a Parsl executor (bridges/README.md).

    parsl_bridge.py --launcher FILE --cpus N --memory BYTES [--config FILE] --context FILE

Each attempt is a task of Parsl's HighThroughputExecutor that starts Holdall's launcher. Without --config an executor with
one worker process for each cpu is started here and ends with us; a file given with it defines `config`, a parsl.Config,
whose first executor is used: its provider starts and ends the workers.
"""

import math
import os
import runpy
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../common"))
from holdall_bridge import Engine, give_up, launching, run_bridge, watch

START_SECONDS = 60
GIBI = 1 << 30


def below(root):
    """Processes below one: the words of the command line, without folders, by process id."""
    found, seen = {}, [root]
    while seen:
        pid = seen.pop()
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children", encoding="latin-1") as file:
                    members = [int(each) for each in file.read().split()]
                for each in members:
                    with open(f"/proc/{each}/cmdline", encoding="utf-8", errors="replace") as file:
                        found[each] = [os.path.basename(word) for word in file.read().split("\0")]
                    seen.append(each)
        except OSError:
            pass  # ended meanwhile
    return found


class Parsl(Engine):
    name = "parsl"

    @staticmethod
    def add_options(parser):
        parser.add_argument("--config")

    def start(self):
        # Where Parsl finds its own programs.
        os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", os.defpath)
        import dill
        import parsl
        from parsl.executors import HighThroughputExecutor

        self.version = parsl.__version__
        self.attached = self.options.config is not None
        self.futures = {}
        config = self._users() if self.attached else self._ours(HighThroughputExecutor)
        # It looks after blocks of workers. Tasks are given to the executor itself: dependencies and retries are Holdall's.
        self.kernel = parsl.load(config)
        self.executor = self.kernel.executors[config.executors[0].label]
        context = None
        if isinstance(self.executor, HighThroughputExecutor):
            watch({self.executor.interchange_proc.pid: "Parsl's interchange"})
        if self.attached:
            with open(self.options.context, "rb") as file:
                context = file.read()
            # Less than one is how the user shares cpus: not a limit.
            self.slot_cpus = max(getattr(self.executor, "cores_per_worker", 1), 1)
            self.slot_memory_bytes = int((getattr(self.executor, "mem_per_worker", None) or 0) * GIBI)
        self.launch = launching(self.options.launcher, None, self.options.context, context)
        # It travels as code, and with no more than it uses: workers have no module of ours.
        self.launch.__module__ = "__main__"
        dill.settings["recurse"] = True
        if not self.attached:
            # Only when a worker answers is it known that there are any.
            self.executor.submit(os.getpid, {}).result(START_SECONDS)
            pools = [pid for pid, words in below(os.getpid()).items() if "process_worker_pool.py" in words[:2]]
            watch({pid: "Parsl's process_worker_pool" for pid in pools})

    def _ours(self, HighThroughputExecutor):
        from parsl import Config
        from parsl.providers import LocalProvider

        cpus = math.ceil(self.options.cpus)
        executor = HighThroughputExecutor(
            label="holdall",
            address="127.0.0.1",
            max_workers_per_node=cpus,
            cores_per_worker=1e-6,  # as many workers as were asked for, whatever this machine has
            prefetch_capacity=cpus,
            provider=LocalProvider(init_blocks=1, min_blocks=1, max_blocks=1),
        )
        return Config(
            executors=[executor],
            run_dir=os.path.join(self.folder, "parsl"),
            strategy="none",
            initialize_logging=False,
        )

    def _users(self):
        config = runpy.run_path(self.options.config, run_name="holdall_parsl_config").get("config")
        if config is None or not getattr(config, "executors", None):
            give_up(f"{self.options.config} does not define `config`, a parsl.Config with an executor")
        return config

    def submit(self, batch):
        for number, _cpus, _memory in batch:
            self.futures[number] = self.executor.submit(self.launch, {}, number)

    def finished(self):
        for number in [number for number, future in self.futures.items() if future.done()]:
            error = self.futures.pop(number).exception()
            yield number, "" if error is None else f"{type(error).__name__}: {error}"

    def close(self):
        """Batch jobs that Parsl submitted are not below us."""
        for executor in self.kernel.executors.values():
            blocks = list(getattr(executor, "blocks_to_job_id", {}).values())
            if blocks:
                executor.provider.cancel(blocks)


if __name__ == "__main__":
    run_bridge(Parsl)
