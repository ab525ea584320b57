"""Ray: a remote function that starts the command by subprocess."""

import os
import pathlib
import sys
import tempfile

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from common import Engine, below, drive, end_tree

STORE_BYTES = 80 * 1024 * 1024  # nothing goes through the object store; the least that Ray takes is 75 MiB


def run_command(argv):
    import subprocess

    subprocess.run(
        argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


class Ray(Engine):
    def start(self):
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        self.ray = ray
        self.version = ray.__version__
        # Sockets lie in it, and their paths are short.
        self.folder = tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp")
        common = {"include_dashboard": False, "_temp_dir": self.folder.name}
        if self.options.nodes is None:
            ray.init(num_cpus=self.workers, object_store_memory=STORE_BYTES, log_to_driver=False, **common)
        else:
            from ray.cluster_utils import Cluster

            # The head is not among the nodes: it is where the driver is, and stays.
            self.cluster = Cluster(
                initialize_head=True,
                head_node_args={"num_cpus": 0, "object_store_memory": STORE_BYTES, **common},
            )
            self.members = [self._member(node) for node in range(self.nodes)]
            ray.init(address=self.cluster.address, log_to_driver=False)
            self.cluster.wait_for_nodes()
        names = ("gcs_server", "raylet")
        self.manager_pid = [os.getpid(), *(pid for pid in below(os.getpid()) if _name(pid) in names)]
        retried = {"max_retries": self.retries, "retry_exceptions": self.retries > 0}
        self.remote = ray.remote(num_cpus=1, **retried)(run_command)
        # Ready is when every worker process has run something.
        ray.get([self.remote.options(max_retries=3).remote(["true"]) for _ in range(self.workers)])

    def _member(self, node):
        return self.cluster.add_node(num_cpus=self.slots(node), object_store_memory=STORE_BYTES)

    def run(self, tasks):
        refs = [self.remote.remote(task["argv"]) for task in tasks]
        try:
            self.ray.get(refs)
            return len(refs)
        except self.ray.exceptions.RayError:
            return sum(self._done(ref) for ref in refs)

    def _done(self, ref):
        try:
            self.ray.get(ref)
            return True
        except self.ray.exceptions.RayError:
            return False

    def kill(self, node, warning_s):
        if self.options.nodes is None:
            return super().kill(node, warning_s)
        old = self.members[node]
        end_tree(old.all_processes["raylet"][0].process.pid, warning_s)
        self.cluster.remove_node(old, allow_graceful=False)
        self.members[node] = self._member(node)

    def close(self):
        self.ray.shutdown()
        if self.options.nodes is not None:
            self.cluster.shutdown()
        self.folder.cleanup()


def _name(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="latin-1").strip()
    except OSError:
        return ""


if __name__ == "__main__":
    drive(Ray)
