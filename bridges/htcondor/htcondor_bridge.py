"""The HTCondor bridge: submits what a Holdall worker hands it as JSON lines (bridges/README.md).

    htcondor_bridge.py --launcher FILE --cpus N --memory BYTES [--submit FILE] --context FILE

Each attempt is a job that starts Holdall's launcher. Where the PATH has condor_submit the jobs go to the site's queue,
and the launcher and its context travel with them; otherwise a pool of this host is started here and ends with us.
What arrived since the last condor_submit is submitted together, and one user log tells about all jobs.
"""

import math
import os
import queue
import re
import subprocess
import sys
import threading
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(HERE)
sys.path.append(os.path.join(HERE, "../common"))
import condor
from holdall_bridge import Engine, give_up, run_bridge, watch

SUBMIT_SECONDS = 60
REMOVE_AT_ONCE = 500  # ids on one command line
KEEP_CLAIM_SECONDS = 5  # of our own pool: what comes next need not be matched again
RESERVED = (
    "executable arguments transfer_executable should_transfer_files when_to_transfer_output transfer_input_files "
    "transfer_output_files input output error log universe initialdir environment getenv request_cpus request_memory "
    "request_gpus max_retries retry_until on_exit_remove on_exit_hold dont_claim_idle notification"
).split()
# By which HTCondor says which GPUs of its host a job has.
GPU_VARIABLES = ["CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "_CONDOR_AssignedGPUs"]
HOLD_SECONDS = 1  # within which a job that was evicted because it is held is said to be held
WENT_WRONG = {
    condor.SHADOW_EXCEPTION: "shadow exception",
    condor.HELD: "held",
    condor.RECONNECT_FAILED: "its host is gone",
}


class HTCondor(Engine):
    name = "htcondor"
    close_seconds = 8

    @staticmethod
    def add_options(parser):
        parser.add_argument("--submit")

    def start(self):
        options = self.options
        #: of a submit description, by the user
        self.lines = user_lines(options.submit) if options.submit else ""
        #: marks our jobs among the site's
        self.run = uuid.uuid4().hex
        #: number by (cluster, process), and the other way round, of jobs that are not over
        self.numbers, self.jobs = {}, {}
        self.starts = set()
        #: when to tell of those that were evicted
        self.evicted = {}
        self.log = condor.UserLog(os.path.join(self.folder, "jobs.log"))
        self.removals = queue.Queue()
        self.submitting = threading.Lock()
        self.tools = condor.site_tools()
        self.attached = self.tools is not None
        self.carries = ("cpus", "memory", "cancel", "staging", "gpus") if self.attached else ("cpus", "memory", "cancel")
        try:
            if self.attached:
                self.tools.run("condor_q", "-limit", "1", "-af", "ClusterId", seconds=20)
            else:
                folder = os.path.join(self.folder, "condor")
                pool = condor.Pool(folder, [math.ceil(options.cpus)], options.memory)
                pool.start()
                watch({pool.central.pid: "HTCondor's condor_master"})
                self.tools = pool.tools
            self.version = self.tools.version()
        except condor.CondorError as error:
            give_up(error)
        threading.Thread(target=self.remove_those, daemon=True).start()

    def submit(self, batch):
        groups = {}
        for number, cpus, memory, *gpus in batch:
            groups.setdefault((math.ceil(cpus), math.ceil(memory / 1024**2), *gpus), []).append(number)
        for needs, numbers in groups.items():
            try:
                with self.submitting:
                    text = self.condor_submit(self.description(numbers, *needs))
                cluster, first = condor.submitted(text)
            except condor.CondorError as error:
                self.close()
                give_up(error)
            for process, number in enumerate(numbers, first):
                self.numbers[cluster, process] = number
                self.jobs[number] = (cluster, process)

    def condor_submit(self, description):
        try:
            done = subprocess.run(
                self.tools.argv("condor_submit", "-terse", "-"),
                input=description.encode(),
                capture_output=True,
                env=self.tools.environment(),
                cwd=self.folder,
                timeout=SUBMIT_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise condor.CondorError(f"condor_submit has not ended after {SUBMIT_SECONDS} s") from None
        if done.returncode != 0:
            said = " ".join((done.stderr + done.stdout).decode("utf-8", "replace").split())
            raise condor.CondorError(f"condor_submit: {said}")
        return done.stdout.decode("utf-8", "replace")

    def description(self, numbers, cpus, memory_mib, gpus=0):
        """`queue`: one job for each of the numbers."""
        options, plain = self.options, condor.plain
        lines = [
            "universe = vanilla",
            f"executable = {plain(options.launcher)}",
            f"initialdir = {plain(self.folder)}",
            f"log = {plain(self.log.path)}",
            "error = launcher.$(number).err",
            "notification = never",
            "kill_sig = SIGKILL",  # a launcher heeds nothing else, and HTCondor would wait for 10 minutes
            f"request_cpus = {max(1, cpus)}",
            f"+HoldallRun = {condor.ad_string(self.run)}",
        ]
        if memory_mib > 0:
            lines.append(f"request_memory = {memory_mib}")
        if gpus > 0:
            lines.append(f"request_gpus = {math.ceil(gpus)}")
        context = options.context
        if self.attached:
            lines += [
                "should_transfer_files = YES",
                "when_to_transfer_output = ON_EXIT",
                f"transfer_input_files = {plain(context)}",
                "transfer_output_files =",
            ]
            context = os.path.basename(context)
        else:
            lines += ["should_transfer_files = NO", f"keep_claim_idle = {KEEP_CLAIM_SECONDS}"]
        names = GPU_VARIABLES if gpus > 0 else []
        words = condor.quoted(["--attempt", context, "\0", *names]).replace("\0", "$(number)")
        lines += [f"arguments = {words}", self.lines, "queue number from (", *map(str, numbers), ")", ""]
        return "\n".join(lines)

    def finished(self):
        found = []
        for event, cluster, process, lines in self.log.read():
            number = self.numbers.get((cluster, process))
            if number is None:
                continue
            if event == condor.TERMINATED:
                found.append((number, self.last_words(number, lines)))
            elif event == condor.ABORTED:
                found.append((number, f"job {cluster}.{process} removed: {rest_of(lines)}"))
            elif event in WENT_WRONG:
                # HTCondor would start it again, or keep it: that is for Holdall to decide.
                self.removals.put((cluster, process))
                found.append((number, f"job {cluster}.{process} {WENT_WRONG[event]}: {rest_of(lines)}"))
            elif event == condor.EVICTED:
                self.evicted[number] = time.monotonic() + HOLD_SECONDS
                continue
            elif event == condor.EXECUTING:
                if number in self.starts:
                    self.removals.put((cluster, process))
                self.starts.add(number)
                continue
            else:
                continue
            self.forget(number)
        now = time.monotonic()
        for number in [number for number, tell_at in self.evicted.items() if tell_at <= now]:
            cluster, process = self.jobs[number]
            self.removals.put((cluster, process))
            found.append((number, f"job {cluster}.{process} evicted"))
            self.forget(number)
        return found

    def last_words(self, number, lines):
        """Of a launcher that did not do its work."""
        path = os.path.join(self.folder, f"launcher.{number}.err")
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                text = " ".join(file.read(2000).split())
            os.unlink(path)
        except OSError:
            text = ""
        normal = len(lines) > 1 and "return value 0)" in lines[1]
        return text if normal else ", ".join(filter(None, [lines[1] if len(lines) > 1 else "", text]))

    def forget(self, number):
        self.numbers.pop(self.jobs.pop(number, None), None)
        self.starts.discard(number)
        self.evicted.pop(number, None)

    def cancel(self, number):
        job = self.jobs.get(number)
        if job is not None:
            self.removals.put(job)

    def remove_those(self):
        """Those of one moment by one condor_rm."""
        while True:
            jobs = [self.removals.get()]
            while len(jobs) < REMOVE_AT_ONCE:
                try:
                    jobs.append(self.removals.get_nowait())
                except queue.Empty:
                    break
            try:
                self.tools.run("condor_rm", *(f"{cluster}.{process}" for cluster, process in jobs))
            except condor.CondorError:
                pass  # some were over already; should one run all the same, it is turned away

    def close(self):
        """The site's queue is left as it was."""
        if not self.attached:
            return
        # What is just being submitted would come after the removal. Never released if all is well: nothing more is submitted.
        self.submitting.acquire(timeout=self.close_seconds / 2)
        try:
            constraint = f"HoldallRun == {condor.ad_string(self.run)}"
            self.tools.run("condor_rm", "-constraint", constraint, seconds=self.close_seconds / 2)
        except condor.CondorError:
            pass  # there are none, or nobody answers


def rest_of(lines):
    return " ".join(lines[1:3])


def user_lines(path):
    """Lines for the submit description, from a file of the user's; what the bridge decides is not for them."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for number, line in enumerate(text.splitlines(), 1):
        word = re.match(r"\s*([A-Za-z_+.]+)", line)
        name = word.group(1).lower() if word else ""
        if name == "queue" or name in RESERVED:
            give_up(f"{path}, line {number}: {name} is Holdall's to say; leave out this line")
    return text


if __name__ == "__main__":
    run_bridge(HTCondor)
