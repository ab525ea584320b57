"""Dask: a function, mapped over the bag by the distributed scheduler, that starts the command by subprocess."""

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from common import Engine, drive, end_tree


def run_command(argv):
    import subprocess

    subprocess.run(
        argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


class Dask(Engine):
    def start(self):
        import logging

        import distributed

        self.version = distributed.__version__
        self.distributed = distributed
        # A process for each slot, as for work that holds Python's lock; or a node of as many threads as it has slots.
        self.cluster = distributed.LocalCluster(
            n_workers=self.options.nodes or self.workers,
            threads_per_worker=self.slots() if self.options.nodes else 1,
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit=None,
            silence_logs=logging.ERROR,
            local_directory="dask",
        )
        self.client = distributed.Client(self.cluster)
        self.client.wait_for_workers(self.options.nodes or self.workers)
        # Ready is when every worker has run something.
        self.client.run(int)

    def run(self, tasks):
        futures = self.client.map(run_command, [task["argv"] for task in tasks], pure=False, retries=self.retries)
        self.distributed.wait(futures)
        return sum(future.status == "finished" for future in futures)

    def kill(self, node, warning_s):
        """The nanny of a worker that is gone starts another."""
        end_tree(self.cluster.workers[node].pid, warning_s)

    def close(self):
        self.client.close()
        self.cluster.close()


if __name__ == "__main__":
    drive(Dask)
