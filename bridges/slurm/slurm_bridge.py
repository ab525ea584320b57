"""The Slurm bridge: starts Holdall's launcher through Slurm for every attempt it is handed (bridges/README.md).

    slurm_bridge.py --launcher FILE --cpus N --memory BYTES [--mode steps|array|job] [--args TEXT] --context FILE

steps   one allocation (the one we run in, else our own by salloc), and in it one `srun` for each attempt
job     one `sbatch` for each attempt
array   attempts that wait together are one `sbatch --array`

Attempts tell themselves how they end. Slurm is asked about the others, all with one squeue, ever more seldom.
Standard library only: it runs wherever Slurm's own commands do.
"""

import argparse
import json
import math
import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import time

MIB = 1024 * 1024
GATHER_SECONDS = 0.03  # attempts handed over within this time wait together
MOST_SUBMITTING = 4  # sbatch and scancel at a time
MOST_IN_ARRAY = 500
FIRST_POLL, LAST_POLL = 1.0, 10.0
SHARE_OF_POLLS = 20  # squeue may take 1/20 of the time
FIRST_RETRY, LAST_RETRY = 0.25, 10.0
PENDING_SECONDS = 2
SHORT_SECONDS = 30  # an allocation that lasted for less was of no use
MOST_FAILURES = 3  # in a row, before an attempt of anybody began: it would go on for ever
END_SECONDS = 1.5
MOST_SHOWN = 400
ABANDON_SECONDS = 60

# By which Slurm says which GPUs of its node an attempt has.
GPU_VARIABLES = ["CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ZE_AFFINITY_MASK"]

# What passes by itself, and what never will: words of Slurm 20.11 to 24.05.
PASSES = re.compile(
    r"unable to contact slurm controller|socket timed out|zero bytes were transmitted|temporarily unable|connection (refused|failure|timed out)"
    r"|communication connection|transport endpoint|unable to connect|slurm backup controller|in standby mode|try again|retry"
    r"|not responding|node failure|unexpected message received|job violates|limit.*submit|too many|protocol authentication",
    re.I,
)
NEVER = re.compile(
    r"unable to create step|configuration is not available|more processors requested|memory required by task|invalid generic resource"
    r"|invalid|execve\(\)|no such file|permission denied|unrecognized option|ambiguous|batch job submission failed|allocation failure",
    re.I,
)
OVER = re.compile(r"invalid job id|has been revoked|already completing|job.*expired|job/step already", re.I)


def say(**message):
    data = (json.dumps(message) + "\n").encode()
    try:
        while data:
            data = data[os.write(1, data) :]
    except OSError:
        pass  # whoever listened is gone: stdin is about to end


def words(text):
    """What one of Slurm's commands said, on one line."""
    lines = [line.strip() for line in text.splitlines()]
    return " | ".join(line for line in lines if line and "slurmstepd: error: ***" not in line)[:MOST_SHOWN]


class GiveUp(Exception):
    """The bridge ends, with this sentence."""


class Child:
    """A command of Slurm that runs: its output is collected, `then` is told about its end."""

    def __init__(self, pid, pipes, then):
        self.pid, self.then = pid, then
        self.pipes = pipes
        self.text = {1: b"", 2: b""}


class Processes:
    """Children, their output and timers, in one loop."""

    def __init__(self, environment):
        self.selector = selectors.DefaultSelector()
        self.environment = environment
        self.children = {}
        self.timers = []
        self.wake, wake = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.selector.register(self.wake, selectors.EVENT_READ, self.ended)

    def spawn(self, argv, then, stdin=os.devnull, environment=None):
        """`then(code, stdout, stderr)`; `stdin` is a file's name, or a descriptor."""
        pipes = {}
        actions = []
        for number in (1, 2):
            pipes[number], theirs = os.pipe()
            actions += [(os.POSIX_SPAWN_DUP2, theirs, number)]
            pipes[-number] = theirs
        if isinstance(stdin, int):
            actions.append((os.POSIX_SPAWN_DUP2, stdin, 0))
        else:
            actions.append((os.POSIX_SPAWN_OPEN, 0, stdin, os.O_RDONLY, 0))
        pid = os.posix_spawnp(
            argv[0],
            argv,
            self.environment if environment is None else environment,
            file_actions=actions,
            setsigdef=[signal.SIGPIPE, signal.SIGINT],
        )
        child = self.children[pid] = Child(pid, {}, then)
        for number in (1, 2):
            os.close(pipes[-number])
            os.set_blocking(pipes[number], False)
            child.pipes[number] = pipes[number]
            self.selector.register(pipes[number], selectors.EVENT_READ, lambda c=child, n=number: self.read(c, n))
        return child

    def read(self, child, number):
        pipe = child.pipes.get(number)
        while pipe is not None:
            try:
                data = os.read(pipe, 65536)
            except BlockingIOError:
                return
            if not data:
                self.close_pipe(child, number)
                return
            child.text[number] = (child.text[number] + data)[-65536:]

    def close_pipe(self, child, number):
        pipe = child.pipes.pop(number, None)
        if pipe is not None:
            self.selector.unregister(pipe)
            os.close(pipe)

    def ended(self):
        try:
            while os.read(self.wake, 512):
                pass
        except BlockingIOError:
            pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self.children.pop(pid, None)
            if child is None:
                continue
            for number in (1, 2):
                self.read(child, number)
                self.close_pipe(child, number)
            out, err = (child.text[number].decode("utf-8", "replace") for number in (1, 2))
            child.then(os.waitstatus_to_exitcode(status), out, err)

    def after(self, seconds, action):
        self.timers.append((time.monotonic() + seconds, action))

    def turn(self):
        now = time.monotonic()
        due = [each for each in self.timers if each[0] <= now]
        if due:
            self.timers = [each for each in self.timers if each[0] > now]
            for _, action in due:
                action()
        wait = min((at for at, _ in self.timers), default=now + 60) - time.monotonic()
        for key, _ in self.selector.select(max(0, wait)):
            if key.fd in self.selector.get_map():
                key.data()


class Attempt:
    """In our hands, by its number. `place`: the job or array element once there is one."""

    def __init__(self, line):
        self.number = line["id"]
        cpus = max(1, math.ceil(line["cpus"]))
        self.shape = (cpus, math.ceil(line["memory_bytes"] / MIB), math.ceil(line.get("gpus", 0)))
        self.place = None
        self.submitted = 0.0
        self.canceled = False
        self.retry = FIRST_RETRY


class Bridge:
    def __init__(self, options, processes):
        self.options = options
        self.processes = processes
        self.attempts = {}
        self.failures = 0
        self.troubled = False
        self.said = set()

    def note(self, text):
        say(type="note", text=text)

    def trouble(self, what):
        """Slurm does not answer now: said once."""
        if not self.troubled:
            self.note(f"Slurm: {what}; trying again")
        self.troubled = True

    def well(self):
        if self.troubled:
            self.note("Slurm answers again")
        self.troubled = False

    def done(self, attempt, message=""):
        if self.attempts.pop(attempt.number, None) is not None:
            say(type="done", id=attempt.number, message=message)

    def refused(self, attempt, what):
        """Slurm will never run this: trying again is of no use."""
        if self.attempts.pop(attempt.number, None) is not None:
            say(type="exited", id=attempt.number, error={"errno": "ENOTSUP", "what": what})

    def failed(self, what):
        self.failures += 1
        if self.failures >= MOST_FAILURES:
            raise GiveUp(f"{MOST_FAILURES} launchers in a row did not reach this host: {what}")

    def resources(self, shape, memory_mib):
        cpus, _, gpus = shape
        argv = ["--nodes=1", "--ntasks=1", f"--cpus-per-task={cpus}"]
        if memory_mib > 0:
            argv.append(f"--mem={memory_mib}M")
        if gpus > 0:
            argv.append(f"--gres=gpu:{gpus}")
        return argv


class Steps(Bridge):
    """One `srun` for each attempt, no more at a time than the allocation has cpus for."""

    def __init__(self, options, processes):
        super().__init__(options, processes)
        self.job = None
        self.waiting = []
        self.running = {}
        self.free = 0
        self.memory_per_cpu = 0
        self.holder = None
        self.total = 0

    def open(self, ready):
        self.ready = ready
        inherited = os.environ.get("SLURM_JOB_ID")
        if inherited:
            if self.options.args:
                raise GiveUp(f"--slurm-args has no meaning here: we run inside the Slurm job {inherited}, whose steps are used")
            self.job = inherited
            return self.look()
        self.allocate()

    def allocate(self):
        cpus = max(1, math.ceil(self.options.cpus))
        argv = ["salloc", f"--job-name={self.options.name}", f"--ntasks={cpus}", "--cpus-per-task=1", "--kill-command=TERM"]
        argv += time_limit(self.options) + self.options.args
        # The allocation is there as long as its command runs, and that ends with us, whatever becomes of us.
        keep, self.holder = os.pipe()
        os.set_inheritable(self.holder, False)
        script = "echo $SLURM_JOB_ID; exec cat >/dev/null"
        self.keeper = child = self.processes.spawn([*argv, "sh", "-c", script], self.allocation_ended, keep)
        os.close(keep)
        self.processes.after(0.05, lambda: self.await_allocation(child, time.monotonic()))

    def await_allocation(self, child, since):
        if self.job is not None or child.pid not in self.processes.children:
            return
        text = child.text[1].decode()
        if "\n" in text:
            self.job = text.split()[0]
            return self.look()
        if time.monotonic() - since > PENDING_SECONDS and "pending" not in self.said:
            self.said.add("pending")
            self.note(f"waiting for an allocation: {words(child.text[2].decode('utf-8', 'replace'))}")
        self.processes.after(0.05, lambda: self.await_allocation(child, since))

    def allocation_ended(self, code, out, err):
        """Preempted, out of time, or a node failed: for one node Slurm takes all of them."""
        why = words(err) or f"exit code {code}"
        if self.job is None:
            raise GiveUp(f"Slurm gave no allocation: {why}")
        os.close(self.holder)
        self.failures = 0 if time.monotonic() - self.since > SHORT_SECONDS else self.failures + 1
        if self.failures >= MOST_FAILURES:
            raise GiveUp(f"Slurm took {MOST_FAILURES} allocations in a row, the last was {self.job}: {why}")
        self.note(f"Slurm took allocation {self.job}, asking for another: {why}")
        self.job, self.total = None, 0
        self.said.discard("pending")
        self.allocate()

    def look(self):
        self.processes.spawn(["scontrol", "show", "job", "-o", self.job], self.looked)

    def looked(self, code, out, err):
        tres = re.search(r"\bTRES=(\S+)", out)
        amounts = dict(each.split("=", 1) for each in tres[1].split(",")) if tres else {}
        cpus = int(amounts.get("cpu") or (re.search(r"\bNumCPUs=(\d+)", out) or [0, 0])[1])
        if code != 0 or cpus == 0:
            raise GiveUp(f"Slurm does not tell about allocation {self.job}: {words(err or out)}")
        self.free = cpus - sum(each.shape[0] for each in self.attempts.values() if each.place is not None)
        self.since = time.monotonic()
        self.memory_per_cpu = mebibytes(amounts.get("mem", "0")) // cpus
        if self.options.cpus > cpus:
            self.note(f"Slurm allocation {self.job} has {cpus} cpus: no more run at a time")
        self.total = cpus
        self.ready()
        self.ready = self.feed
        self.feed()

    def start(self, attempt):
        self.waiting.append(attempt)
        self.feed()

    def cancel(self, attempt):
        self.waiting = [each for each in self.waiting if each is not attempt]
        attempt.canceled = True
        if attempt.place is not None:
            # srun passes the signal on and ends the step; before that it gives up asking for one.
            os.kill(attempt.place.pid, signal.SIGTERM)

    def feed(self):
        while self.waiting and self.total > 0:
            attempt = self.waiting[0]
            if attempt.shape[0] > self.total:
                self.waiting.pop(0)
                self.refused(attempt, f"allocation {self.job} has {self.total} cpus, and {attempt.shape[0]} are needed")
                continue
            if attempt.shape[0] > self.free:
                return
            self.waiting.pop(0)
            self.step(attempt)

    def step(self, attempt):
        cpus, memory, _ = attempt.shape
        self.free -= cpus
        argv = ["srun", "--jobid", self.job, "--exact", "--quiet", "--mpi=none", "--export=NONE"]
        argv += self.resources(attempt.shape, memory or self.memory_per_cpu * cpus)
        argv += ["--output=/dev/null", self.options.launcher, "--attempt", "/dev/stdin", str(attempt.number)]
        argv += GPU_VARIABLES if attempt.shape[2] > 0 else []
        attempt.place = self.processes.spawn(
            argv,
            lambda code, out, err: self.stepped(attempt, code, words(err)),
            self.options.context,
        )

    def stepped(self, attempt, code, text):
        self.free += attempt.shape[0]
        attempt.place = None
        if OVER.search(text) and not attempt.canceled:
            if self.holder is None:
                raise GiveUp(f"the Slurm job {self.job} that we run in is over: {text}")
            # salloc is about to say so, or we make sure; another allocation will have it.
            self.processes.after(FIRST_POLL, lambda job=self.job: self.make_sure(job))
            self.processes.after(attempt.retry, lambda: self.again(attempt))
            attempt.retry = min(LAST_RETRY, attempt.retry * 2)
        elif attempt.canceled or code == 0:
            self.failures = 0
            self.well()
            self.done(attempt, "" if code == 0 else text)
        elif "cannot be reached" in text:
            self.failed(text)
            self.done(attempt, text)
        elif PASSES.search(text):
            # Should the attempt have begun, whoever runs it is turned away the second time.
            self.trouble(text)
            self.processes.after(attempt.retry, lambda: self.again(attempt))
            attempt.retry = min(LAST_RETRY, attempt.retry * 2)
        elif NEVER.search(text):
            self.refused(attempt, text)
        else:
            self.done(attempt, f"srun ended with {code}{': ' if text else ''}{text}")
        self.feed()

    def make_sure(self, job):
        """A controller that was killed may have forgotten an allocation of its last seconds, and salloc does not hear of it."""

        def asked(code, out, err):
            forgotten = code != 0 and OVER.search(err) or code == 0 and not out.strip()
            if forgotten and self.job == job and self.keeper.pid in self.processes.children:
                os.kill(self.keeper.pid, signal.SIGKILL)

        if self.job == job:
            self.processes.spawn(["squeue", "--noheader", f"--jobs={job}", "--format=%T"], asked)

    def again(self, attempt):
        if attempt.number in self.attempts and not attempt.canceled:
            self.start(attempt)

    def close(self):
        if self.holder is not None:
            os.close(self.holder)


class Jobs(Bridge):
    """One `sbatch` for each attempt, or for those that wait together."""

    def __init__(self, options, processes, together):
        super().__init__(options, processes)
        self.together = together
        self.waiting = []
        self.gathering = False
        self.submitting = 0
        self.cancels = set()
        self.canceling = False
        self.delay = FIRST_POLL
        self.polling = False
        self.retry = FIRST_RETRY
        self.most = MOST_IN_ARRAY

    def open(self, ready):
        # The context has what launchers need and is no file on other hosts, so the script holds it.
        self.script = os.path.join(os.path.dirname(self.options.context), "job.sh")
        with open(self.options.context) as file:
            context = file.read()
        with open(os.open(self.script, os.O_WRONLY | os.O_CREAT, 0o700), "w") as file:
            launcher, variables = shlex.quote(self.options.launcher), " ".join(GPU_VARIABLES)
            file.write(f'#!/bin/sh\nshift "${{SLURM_ARRAY_TASK_ID:-0}}"\nexec {launcher} --attempt /dev/stdin "$1" ${{CUDA_VISIBLE_DEVICES+{variables}}} <<\'END\'\n{context}END\n')
        common = ["--parsable", "--no-requeue", f"--job-name={self.options.name}", "--output=/dev/null", "--error=/dev/null"]
        common += ["--input=/dev/null", *time_limit(self.options)]
        self.common = ["sbatch", *common, *self.options.args]

        def tested(code, out, err):
            if code != 0:
                raise GiveUp(f"sbatch: {words(err)}")
            self.processes.spawn(["scontrol", "show", "config"], configured)

        def configured(code, out, err):
            found = re.search(r"^MaxArraySize\s*=\s*(\d+)", out, re.M)
            if found:
                self.most = max(1, min(MOST_IN_ARRAY, int(found[1]) - 1))
            ready()

        # What Slurm would refuse for every task, it refuses now.
        self.processes.spawn([*self.common, "--test-only", "--ntasks=1", self.script, "0"], tested)

    def start(self, attempt):
        self.waiting.append(attempt)
        if not self.together:
            self.submit()
        elif not self.gathering:
            self.gathering = True
            self.processes.after(GATHER_SECONDS, self.gathered)

    def gathered(self):
        self.gathering = False
        self.submit()

    def submit(self):
        while self.waiting and self.submitting < (1 if self.together else MOST_SUBMITTING) and not self.gathering:
            shape = self.waiting[0].shape
            alike = [each for each in self.waiting if each.shape == shape][: self.most if self.together else 1]
            chosen = set(alike)
            self.waiting = [each for each in self.waiting if each not in chosen]
            argv = [*self.common, *self.resources(shape, shape[1])]
            if self.together:
                argv.append(f"--array=0-{len(alike) - 1}")
            argv += [self.script, *(str(each.number) for each in alike)]
            self.submitting += 1
            self.processes.spawn(argv, lambda code, out, err, these=alike: self.submitted(these, code, out, err))

    def submitted(self, these, code, out, err):
        self.submitting -= 1
        text = words(err)
        if code == 0:
            self.well()
            self.retry = FIRST_RETRY
            job = out.strip().split(";")[0]
            for index, attempt in enumerate(these):
                attempt.place = f"{job}_{index}" if self.together else job
                attempt.submitted = time.monotonic()
                if attempt.canceled:
                    self.withdraw(attempt)
            self.poll_later()
        elif PASSES.search(text):
            self.trouble(text)
            self.waiting = [each for each in these if not each.canceled] + self.waiting
            self.processes.after(self.retry, self.submit)
            self.retry = min(LAST_RETRY, self.retry * 2)
            return
        else:
            for attempt in these:
                self.refused(attempt, text or f"sbatch ended with {code}")
        self.submit()

    def cancel(self, attempt):
        attempt.canceled = True
        if attempt.place is not None:
            self.withdraw(attempt)
        elif attempt in self.waiting:
            self.waiting.remove(attempt)
            self.attempts.pop(attempt.number, None)

    def withdraw(self, attempt):
        self.attempts.pop(attempt.number, None)
        self.cancels.add(attempt.place)
        if not self.canceling:
            self.canceling = True
            self.processes.after(GATHER_SECONDS, self.scancel)

    def scancel(self):
        places = sorted(self.cancels)[:MOST_IN_ARRAY]
        self.cancels.difference_update(places)

        def canceled(code, out, err):
            if PASSES.search(err):
                self.cancels.update(places)
            self.canceling = bool(self.cancels)
            if self.canceling:
                self.processes.after(FIRST_POLL, self.scancel)

        self.processes.spawn(["scancel", "--quiet", *places], canceled)

    def poll_later(self):
        if not self.polling and self.attempts:
            self.polling = True
            self.processes.after(self.delay, self.poll)

    def poll(self):
        began = time.monotonic()
        argv = ["squeue", "--noheader", "--array", f"--name={self.options.name}", "--format=%i %T %r"]
        self.processes.spawn(argv, lambda code, out, err: self.polled(began, code, out, err))

    def polled(self, began, code, out, err):
        took = time.monotonic() - began
        self.polling = False
        self.delay = min(LAST_POLL, max(self.delay * 1.5, took * SHARE_OF_POLLS))
        if code != 0:
            self.trouble(words(err))
            return self.poll_later()
        self.well()
        known = {}
        for line in out.splitlines():
            place, state, reason = (*line.split(None, 2), "", "")[:3]
            known[place] = state
            if state == "PENDING" and re.match(r"Bad|Partition|.*Limit|JobHeld|ReqNodeNotAvail|launch failed", reason):
                self.remark(f"Slurm job {place} waits: {reason}")
        gone = [each for each in self.attempts.values() if each.place and each.submitted < began and each.place not in known]
        if gone:
            places = ",".join(each.place for each in gone[:MOST_IN_ARRAY])
            argv = ["squeue", "--noheader", "--array", "--states=all", f"--jobs={places}", "--format=%i %T %r"]
            self.processes.spawn(argv, lambda code, out, err: self.ended(gone[:MOST_IN_ARRAY], out))
        else:
            self.poll_later()

    def remark(self, text):
        kind = text.split(":")[-1]
        if kind not in self.said:
            self.said.add(kind)
            self.note(text)

    def ended(self, gone, out):
        states = {line.split()[0]: line.split(None, 1)[1] for line in out.splitlines() if line.strip()}
        for attempt in gone:
            state = states.get(attempt.place, "COMPLETED")
            if state.startswith("FAILED") and attempt.number in self.attempts:
                self.failed(f"job {attempt.place}: {state} (is {self.options.launcher} there on its node?)")
            elif state.startswith("COMPLETED"):
                self.failures = 0
            self.done(attempt, "" if state.startswith("COMPLETED") else f"job {attempt.place}: {state}")
        self.poll_later()

    def close(self):
        pass


def time_limit(options):
    return [f"--time={max(1, math.ceil(options.seconds / 60))}"] if options.seconds else []


def mebibytes(text):
    """As Slurm writes amounts: 800M, 7.5G."""
    found = re.match(r"([\d.]+)([KMGTP]?)", text)
    return int(float(found[1]) * 1024 ** (" KMGTP".index(found[2] or "M") - 2)) if found else 0


def slurm_environment(inside):
    """As little as the commands need: jobs are given it. Options of the user's (SBATCH_ACCOUNT, ...) are kept."""
    kept = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "LD_LIBRARY_PATH", "TMPDIR", "KRB5CCNAME")
    starts = ("SBATCH_", "SALLOC_", "SRUN_", "SQUEUE_", "SCANCEL_", "SINFO_", "SLURM_")
    # Of the job that we run in, if we do not use it: they would be taken for options.
    of_job = re.compile(r"SLURM_(?!CONF$|CLUSTERS$|TIME_FORMAT$|JWT$|EXIT)|SBATCH_(NO_REQUEUE|REQUEUE|WAIT)|.*_EXPORT|.*_FORMAT")
    environment = {k: v for k, v in os.environ.items() if k in kept or (k.startswith(starts) and not of_job.match(k))}
    environment["LC_ALL"] = "C"
    return environment


def guard(name, environment):
    """A process that cancels everything of ours when we are gone, however we went. Returns what to close, and its id."""
    reading, writing = os.pipe()
    os.set_inheritable(writing, False)
    pid = os.fork()
    if pid:
        os.close(reading)
        return writing, pid
    os.setsid()  # it must not be killed with us
    os.close(writing)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    while os.read(reading, 1):
        pass
    until = time.monotonic() + ABANDON_SECONDS
    while time.monotonic() < until:
        argv = ["scancel", "--quiet", f"--name={name}"]
        try:
            done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=ABANDON_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            break
        if done.returncode == 0 or not PASSES.search(done.stderr):
            break
        time.sleep(1)
    os._exit(0)


def main():
    parser = argparse.ArgumentParser()
    for option in ("launcher", "context"):
        parser.add_argument(f"--{option}", required=True)
    for option in ("cpus", "memory"):
        parser.add_argument(f"--{option}", type=float, required=True)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--mode", default="steps", choices=["steps", "array", "job"])
    parser.add_argument("--args", default="", type=shlex.split)
    given = sys.argv[1:]
    if "--args" in given:  # its value begins like an option
        at = given.index("--args")
        given[at : at + 2] = [f"--args={given[at + 1]}"]
    options = parser.parse_args(given)
    options.name = f"holdall-{os.getpid()}-{os.urandom(4).hex()}"
    environment = slurm_environment(options.mode == "steps")
    os.set_blocking(1, True)
    line, guard_pid = guard(options.name, environment)
    processes = Processes(environment)
    bridge = Steps(options, processes) if options.mode == "steps" else Jobs(options, processes, options.mode == "array")

    def end(code):
        bridge.close()
        for pid in list(processes.children):
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        os.close(line)
        until = time.monotonic() + END_SECONDS
        while time.monotonic() < until:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == guard_pid:
                break
            time.sleep(0.01)
        folder = os.path.dirname(options.context)
        if "/holdall-channel-" in folder and code == 0:
            shutil.rmtree(folder, ignore_errors=True)  # made by the Holdall worker, which may have had a kill -9
        os._exit(code)

    def ready():
        version = subprocess.run(["srun", "--version"], capture_output=True, text=True, env=environment).stdout.strip()
        can = {name: name in ("cpus", "memory", "gpus", "cancel") for name in CAPABILITIES}
        say(type="hello", protocol=1, name="slurm", version=version, capabilities=can)

    rest = b""

    def read():
        nonlocal rest
        data = os.read(0, 1 << 20)
        if not data:
            end(0)
        *lines, rest = (rest + data).split(b"\n")
        for text in lines:
            message = json.loads(text)
            if message["type"] == "start":
                attempt = bridge.attempts[message["id"]] = Attempt(message)
                bridge.start(attempt)
            elif message["type"] == "cancel":
                attempt = bridge.attempts.get(message["id"])
                if attempt is not None:
                    bridge.cancel(attempt)
            elif message["type"] == "close":
                end(0)

    processes.selector.register(0, selectors.EVENT_READ, read)
    try:
        bridge.open(ready)
        while True:
            processes.turn()
    except GiveUp as error:
        why = str(error)
    except FileNotFoundError as error:
        why = f"{error.filename or error} is not installed: Slurm's commands have to be on the PATH"
    except BaseException as error:
        why = f"{type(error).__name__}: {error}"
    os.write(2, (" ".join(why.split())[:2000] + "\n").encode())
    end(1)


CAPABILITIES = ("cpus", "memory", "gpus", "retries", "cancel", "staging", "priorities", "output")

main()
