"""Parsl: a python_app on a HighThroughputExecutor that starts the command by subprocess."""

import os
import pathlib
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from common import Engine, below, drive, end_tree


def run_command(argv):
    import subprocess

    subprocess.run(
        argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


class Parsl(Engine):
    def start(self):
        # Where Parsl finds its own programs.
        os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", os.defpath)
        import parsl
        from parsl.executors import HighThroughputExecutor
        from parsl.providers import LocalProvider

        self.version = parsl.__version__
        # A manager that is killed is missed after this time. By default it is 120 s, every 30 s.
        heart = {"heartbeat_period": 2, "heartbeat_threshold": 10} if self.options.nodes else {}
        self.executor = HighThroughputExecutor(
            label="driver",
            address="127.0.0.1",
            max_workers_per_node=self.slots(),
            cores_per_worker=1e-6,  # as many workers as were asked for, whatever this machine has
            provider=LocalProvider(init_blocks=self.nodes, min_blocks=self.nodes, max_blocks=2 * self.nodes),
            **heart,
        )
        self.kernel = parsl.load(
            parsl.Config(
                executors=[self.executor],
                retries=self.retries,
                run_dir="parsl",
                strategy="none",
                initialize_logging=False,
            )
        )
        self.app = parsl.python_app(run_command)
        while sum(each["worker_count"] for each in self.executor.connected_managers()) < self.slots() * self.nodes:
            time.sleep(0.05)
        # Ready is when worker processes have run something.
        for future in [self.executor.submit(os.getpid, {}) for _ in range(self.workers)]:
            future.result()
        self.blocks = sorted(self.executor.blocks_to_job_id, key=int)
        self.manager_pid = [os.getpid(), self.executor.interchange_proc.pid]

    def run(self, tasks):
        futures = [self.app(task["argv"]) for task in tasks]
        return sum(future.exception() is None for future in futures)

    def kill(self, node, warning_s):
        option = f"--block_id={self.blocks[node]}"
        for pid in below(os.getpid()):
            words = _words(pid)
            if option in words and any(word.endswith("process_worker_pool.py") for word in words[:2]):
                end_tree(pid, warning_s)
        self.blocks[node] = self.executor.scale_out_facade(1)[0]

    def close(self):
        self.kernel.cleanup()


def _words(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
    except OSError:
        return []


if __name__ == "__main__":
    drive(Parsl)
