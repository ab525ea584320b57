"""Dask: a function, mapped over the bag by the distributed scheduler, that starts the command by subprocess."""

import asyncio
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
        # One process with one thread for each slot, as for work that holds Python's lock.
        self.cluster = distributed.LocalCluster(
            n_workers=self.workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            memory_limit=None,
            silence_logs=logging.ERROR,
            local_directory="dask",
        )
        self.client = distributed.Client(self.cluster)
        self.client.wait_for_workers(self.workers)

    def run(self, tasks):
        futures = self.client.map(run_command, [task["argv"] for task in tasks], pure=False, retries=self.retries)
        self.distributed.wait(futures)
        return sum(future.status == "finished" for future in futures)

    def close(self):
        self.client.close()
        self.cluster.close()


if __name__ == "__main__":
    drive(Dask)
