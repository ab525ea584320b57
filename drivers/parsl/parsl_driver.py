"""Parsl: a bash_app's worth of Python apps on a HighThroughputExecutor, which start the command by subprocess."""

import os
import pathlib
import sys

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
        self.executors = [
            HighThroughputExecutor(
                label=f"node{node}",
                address="127.0.0.1",
                max_workers_per_node=self.slots(node),
                cores_per_worker=1e-6,  # as many workers as were asked for, whatever this machine has
                heartbeat_period=2,
                heartbeat_threshold=5,
                provider=LocalProvider(init_blocks=1, min_blocks=1, max_blocks=1),
            )
            for node in range(self.nodes)
        ]
        config = parsl.Config(
            executors=self.executors,
            retries=self.retries,
            run_dir="parsl",
            strategy="simple" if self.options.nodes else "none",
            initialize_logging=False,
        )
        self.kernel = parsl.load(config)
        self.app = parsl.python_app(run_command)
        for executor in self.executors:
            executor.submit(os.getpid, {}).result()
        self.manager_pid = [os.getpid(), *(executor.interchange_proc.pid for executor in self.executors)]

    def run(self, tasks):
        futures = [self.app(task["argv"]) for task in tasks]
        return sum(future.exception() is None for future in futures)

    def kill(self, node, warning_s):
        executor = self.executors[node]
        pools = [pid for pid in below(os.getpid()) if _is_pool_of(pid, executor)]
        for pid in pools:
            end_tree(pid, warning_s)
        executor.scale_out_facade(1)

    def close(self):
        self.kernel.cleanup()


def _is_pool_of(pid, executor):
    """Whether it is the process that looks after an executor's workers."""
    try:
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
    except OSError:
        return False
    return any(word.endswith("process_worker_pool.py") for word in words[:2]) and f"--port={executor.worker_port}" in words


if __name__ == "__main__":
    drive(Parsl)
