"""Slurm, in three ways: steps of one allocation (srun), one job array, one job for each task (sbatch).

    slurm_driver.py --mode steps|array|job --workers N

Whatever Slurm SLURM_CONF or the PATH give. What Slurm takes away (preemption, a node that fails) it queues again with
--retries; a task that fails by itself stays failed. A node is killed by declaring it down.
"""

import concurrent.futures
import os
import pathlib
import re
import shlex
import subprocess
import sys
import threading
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from common import Engine, drive, first_line

GRACE = 0.5  # a step fails shortly before salloc says that its allocation is over
FIRST_POLL, SHARE_OF_POLLS = 0.1, 5  # squeue may take a fifth of the time
BAD = {"FAILED", "TIMEOUT", "CANCELLED", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE"}
TAKEN = {"PREEMPTED", "NODE_FAIL", "REVOKED"}


def ask(*argv, stdin=""):
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{shlex.join(argv[:1])}: {done.stderr.strip()}")
    return done.stdout.strip()


class Slurm(Engine):
    @staticmethod
    def add_options(parser):
        parser.add_argument("--mode", choices=["steps", "array", "job"], default="steps")

    def start(self):
        self.version = first_line(["srun", "--version"]).split()[-1]
        self.name = f"bench-{os.getpid()}"
        config = ask("scontrol", "show", "config")
        self.most = int(re.search(r"^MaxArraySize\s*= (\d+)", config, re.M)[1]) - 1
        self.cpus = int(ask("sinfo", "-h", "-o", "%C").splitlines()[0].split("/")[3])
        self.names = sorted(set(ask("sinfo", "-h", "-N", "-o", "%N").split()))
        controller = pathlib.Path(re.search(r"^SlurmctldPidFile\s*= (\S+)", config, re.M)[1])
        if controller.exists():
            self.manager_pid = [os.getpid(), int(controller.read_text())]
        self.changing, self.closing = threading.Lock(), False
        self.holder = None
        if self.options.mode == "steps":
            self.allocate()

    def allocate(self):
        """The allocation stays until its command's stdin ends, or until Slurm takes it away, be it for one node that fails.

        (With --no-kill it would stay, but Slurm 22.05 does not free the cores of what ran when a node went.)
        """
        argv = ["salloc", f"--job-name={self.name}", f"--ntasks={self.workers}", "--cpus-per-task=1", "--kill-command=TERM"]
        if self.options.nodes:
            argv += [f"--nodes={self.nodes}"]
        argv += ["sh", "-c", "echo $SLURM_JOB_ID; exec cat > /dev/null"]
        self.holder = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.job = self.holder.stdout.readline().strip()
        if not self.job:
            raise RuntimeError(f"salloc ended with {self.holder.wait()}")

    def run(self, tasks):
        return {"steps": self.steps, "array": self.array, "job": self.jobs}[self.options.mode](tasks)

    def steps(self, tasks):
        with concurrent.futures.ThreadPoolExecutor(self.workers) as pool:
            return sum(pool.map(self.step, tasks))

    def step(self, task):
        for _ in range(self.retries + 1):
            job = self.job
            argv = ["srun", f"--jobid={job}", "--exact", "--ntasks=1", "--nodes=1", "--cpus-per-task=1", "--mpi=none", "--quiet"]
            null = subprocess.DEVNULL
            if subprocess.run([*argv, *task["argv"]], stdin=null, stdout=null, stderr=null).returncode == 0:
                return True
            with self.changing:
                # The allocation is over together with its holder: another takes its place.
                if self.retries and self.job == job and not self.closing and self.over():
                    self.allocate()
        return False

    def over(self):
        try:
            self.holder.wait(GRACE)
        except subprocess.TimeoutExpired:
            return False
        return True

    def array(self, tasks):
        done = 0
        for first in range(0, len(tasks), self.most):
            some = tasks[first : first + self.most]
            commands = pathlib.Path("commands").absolute()
            commands.write_text("".join(shlex.join(task["argv"]) + "\n" for task in some))
            script = f'#!/bin/sh\neval "exec $(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {shlex.quote(str(commands))})"\n'
            ids = f"--array=0-{len(some) - 1}%{self.workers}"
            job = ask(*self.sbatch(self.name), ids, stdin=script)
            done += self.await_ends(len(some), "-j", job)
        return done

    def jobs(self, tasks):
        # Jobs of one name run one after another: that keeps a large cluster to so many at a time.
        apart = self.cpus > self.workers
        self.bag = f"{self.name}-{time.monotonic_ns()}"
        names = [f"{self.bag}-{i % self.workers if apart else 0}" for i in range(len(tasks))]
        single = ["--dependency=singleton"] if apart else []
        for name, task in zip(names, tasks):
            ask(*self.sbatch(name), *single, stdin=f"#!/bin/sh\nexec {shlex.join(task['argv'])}\n")
        return self.await_ends(len(tasks), f"--name={','.join(sorted(set(names)))}")

    def sbatch(self, name):
        again = "--requeue" if self.retries else "--no-requeue"
        limits = ["--ntasks=1", "--cpus-per-task=1", "--input=/dev/null", "--output=/dev/null", "--error=/dev/null"]
        return ["sbatch", "--parsable", f"--job-name={name}", again, *limits]

    def states(self, *which):
        done = subprocess.run(["squeue", "-h", "-r", "-t", "all", "-o", "%i %T", *which], capture_output=True, text=True)
        return dict(line.split() for line in done.stdout.splitlines())

    def await_ends(self, count, *which):
        """How many of so many jobs were completed, once all have ended. Slurm forgets them minutes after their end."""
        final = {}
        while True:
            began = time.monotonic()
            for job, state in self.states(*which).items():
                if state == "COMPLETED" or state in BAD or (state in TAKEN and not self.retries):
                    final[job] = state
            if len(final) >= count:
                return sum(state == "COMPLETED" for state in final.values())
            time.sleep(max(FIRST_POLL, SHARE_OF_POLLS * (time.monotonic() - began)))

    def kill(self, node, warning_s):
        name = self.names[node % len(self.names)]
        if warning_s > 0:
            subprocess.run(["scancel", "--quiet", "--full", "--signal=TERM", f"--nodelist={name}"], capture_output=True)
            time.sleep(warning_s)
        ask("scontrol", "update", f"nodename={name}", "state=down", "reason=bench")
        while self.options.mode != "steps" and ask("squeue", "-h", "-t", "R,CG", "-w", name, "-o", "%i"):
            time.sleep(FIRST_POLL)
        # It may have come back by itself.
        subprocess.run(["scontrol", "update", f"nodename={name}", "state=resume"], capture_output=True)

    def close(self):
        self.closing = True
        names = [f"--name={self.name}"]
        if getattr(self, "bag", None):
            names.append("--name=" + ",".join(f"{self.bag}-{i}" for i in range(self.workers)))
        for each in names:
            subprocess.run(["scancel", "--quiet", each], capture_output=True)


if __name__ == "__main__":
    drive(Slurm)
