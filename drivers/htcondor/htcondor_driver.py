"""HTCondor: all tasks in one condor_submit, and one user log that tells how they end.

The pool is one of this host, with a node's condor_master and condor_startd for each --nodes. Where scripts/setup did not
get HTCondor but the machine has it, it is the site's pool, as wide as that is.
"""

import os
import pathlib
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "drivers"))
sys.path.append(str(ROOT / "bridges" / "htcondor"))
import condor
from common import Engine, below, drive, end_tree

POLL_SECONDS = 0.02
LEASE_SECONDS = 10  # how long HTCondor waits for a host that is gone before it runs its jobs elsewhere; its default is 40 minutes
KEEP_CLAIM_SECONDS = 60  # between two bags the slots stay ours
MANAGERS = ("condor_master", "condor_collector", "condor_negotiator", "condor_schedd", "condor_shared_port", "condor_procd")
ENDED = (condor.TERMINATED, condor.ABORTED, condor.HELD)


class HTCondor(Engine):
    def start(self):
        self.pool = None
        if condor.OWN.exists():
            self.folder = tempfile.TemporaryDirectory(prefix="condor-", dir="/tmp", ignore_cleanup_errors=True)
            slots = [self.slots(node) for node in range(self.nodes)]
            memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
            self.pool = condor.Pool(self.folder.name, slots, memory, apart=self.options.nodes is not None)
            self.pool.start()
            self.tools = self.pool.tools
            central = self.pool.central.pid
            names = {name[:15] for name in MANAGERS}
            self.manager_pid = [central, *(pid for pid in below(central) if name_of(pid) in names)]
        else:
            self.tools = condor.site_tools()
            if self.tools is None:
                raise condor.CondorError("HTCondor is not installed: sh scripts/setup --engines")
            self.tools.run("condor_q", "-limit", "1", "-af", "ClusterId", seconds=20)
        self.version = self.tools.version()
        self.bags = 0

    def run(self, tasks):
        self.bags += 1
        log = condor.UserLog(os.path.abspath(f"bag{self.bags}.log"))
        pathlib.Path(log.path).unlink(missing_ok=True)
        path = pathlib.Path(f"bag{self.bags}.sub")
        path.write_text(self.description(tasks, log.path))
        self.tools.run("condor_submit", "-terse", path, seconds=600)
        ends = {}
        while len(ends) < len(tasks):
            events = log.read()
            for event, cluster, process, lines in events:
                if event in ENDED:
                    ends[cluster, process] = event == condor.TERMINATED and "return value 0)" in lines[1]
                if event == condor.HELD:
                    self.tools.run("condor_rm", f"{cluster}.{process}")
            if not events:
                time.sleep(POLL_SECONDS)
        return sum(ends.values())

    def description(self, tasks, log):
        lines = [
            "universe = vanilla",
            f"log = {condor.plain(log)}",
            "should_transfer_files = " + ("NO" if self.pool else "IF_NEEDED"),
            "request_cpus = 1",
            "notification = never",
            f"job_lease_duration = {LEASE_SECONDS}",
            f"keep_claim_idle = {KEEP_CLAIM_SECONDS}",
            f"+BenchDriver = {os.getpid()}",
            *([f"max_retries = {self.retries}"] if self.retries else []),
        ]
        program = None
        for task in tasks:
            argv = task["argv"]
            if argv[0] != program:
                program = argv[0]
                lines.append(f"executable = {condor.plain(program)}")
            lines += [f"arguments = {condor.quoted(argv[1:])}", "queue"]
        return "\n".join([*lines, ""])

    def kill(self, node, warning_s):
        if self.pool is None or self.options.nodes is None:
            return super().kill(node, warning_s)
        end_tree(self.pool.nodes[node].pid, warning_s)
        self.pool.nodes[node].wait()
        self.pool.nodes[node] = self.pool.start_node(node)

    def close(self):
        if self.pool is None:
            self.tools.run("condor_rm", "-constraint", f"BenchDriver == {os.getpid()}")
        else:
            end_tree(self.pool.central.pid)
            self.folder.cleanup()


def name_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="latin-1").strip()
    except OSError:
        return ""


if __name__ == "__main__":
    drive(HTCondor)
