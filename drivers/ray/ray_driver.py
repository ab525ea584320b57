"""Ray: a remote function that starts the command by subprocess."""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from common import Engine, below, drive, end_tree

STORE_BYTES = 80 * 1024 * 1024  # nothing goes through the object store; the least that Ray takes is 75 MiB


def run_command(argv):
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
        # Without nodes of their own the head runs the tasks; with nodes it is where the driver is, and stays.
        ray.init(
            num_cpus=self.workers if self.options.nodes is None else 0,
            include_dashboard=False,
            object_store_memory=STORE_BYTES,
            log_to_driver=False,
            _temp_dir=self.folder.name,
        )
        names = ("gcs_server", "raylet")
        self.manager_pid = [os.getpid(), *(pid for pid in below(os.getpid()) if _name(pid) in names)]
        if self.options.nodes is not None:
            self.members = []
            for node in range(self.nodes):
                self.members.append(self._member(node))
                self._await_cpus(sum(self.slots(each) for each in range(node + 1)))
        retried = {"max_retries": self.retries, "retry_exceptions": self.retries > 0}
        self.remote = ray.remote(num_cpus=1, **retried)(run_command)
        # Ready is when every worker process has run something.
        ray.get([self.remote.options(max_retries=3).remote(["true"]) for _ in range(self.workers)])

    def _await_cpus(self, cpus):
        while self.ray.cluster_resources().get("CPU", 0) < cpus:
            if any(member.poll() is not None for member in self.members):
                raise RuntimeError("a node ended: ray start --block")
            time.sleep(0.02)

    def _member(self, node):
        address = self.ray.get_runtime_context().gcs_address
        ray_program = pathlib.Path(sys.executable).with_name("ray")
        options = [f"--num-cpus={self.slots(node)}", f"--object-store-memory={STORE_BYTES}"]
        return subprocess.Popen(
            [ray_program, "start", "--block", f"--address={address}", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

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
        end_tree(old.pid, warning_s)
        old.wait()
        self.members[node] = self._member(node)

    def close(self):
        self.ray.shutdown()
        self.folder.cleanup()


def _name(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="latin-1").strip()
    except OSError:
        return ""


if __name__ == "__main__":
    drive(Ray)
