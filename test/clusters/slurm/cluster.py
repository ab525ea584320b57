"""Starts and ends a Slurm of several nodes on this host: see `start`, which is what to call."""

import argparse
import ctypes
import fcntl
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

START_SECONDS = 60
END_SECONDS = 10
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
# Below the range from which the kernel takes ports for clients.
FIRST_PORT, LAST_PORT = 20000, 32000
# What a test cluster takes for GPUs; nothing opens them.
DEVICES = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random"]
libc = ctypes.CDLL(None, use_errno=True)

CONF = """\
ClusterName=holdall
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# A job that is queued again waits for cred_expire, by default two minutes.
AuthInfo=socket={dir}/munge/socket,cred_expire=10
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={dir}/state
SlurmdSpoolDir={dir}/spool/%n
SlurmctldPidFile={dir}/slurmctld.pid
SlurmdPidFile={dir}/slurmd-%n.pid
SlurmctldLogFile={dir}/slurmctld.log
SlurmdLogFile={dir}/slurmd-%n.log
SlurmdParameters=config_overrides
PlugStackConfig=/dev/null
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
MailProg=/bin/true
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=100
MaxArraySize=100001
MaxJobCount=200000
MaxStepCount=1000000
MinJobAge=120
KillWait=2
CompleteWait=0
Waittime=0
InactiveLimit=0
SlurmctldTimeout=30
SlurmdTimeout=30
MessageTimeout=30
TCPTimeout=5
FirstJobId=1
# It reacts at once: defaults are made for thousands of nodes.
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,default_queue_depth=10000,partition_job_depth=0,bf_interval=1,bf_max_job_test=1000,bf_continue,preempt_send_user_signal
PriorityType=priority/basic
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PreemptExemptTime=0
JobRequeue=1
GresTypes=gpu
{nodes}
PartitionName=normal Nodes=ALL Default=YES PriorityTier=1 MaxTime=INFINITE DefaultTime=60 GraceTime=0 State=UP
PartitionName=warned Nodes=ALL PriorityTier=1 MaxTime=INFINITE DefaultTime=60 GraceTime=3 State=UP
PartitionName=urgent Nodes=ALL PriorityTier=10 MaxTime=INFINITE DefaultTime=60 PreemptMode=OFF State=UP
"""


def say(**message):
    print(json.dumps(message), flush=True)


def fail(why):
    print(f"slurm cluster: {why}", file=sys.stderr, flush=True)


def last_lines(path, count=5):
    try:
        with open(path, errors="replace") as file:
            return " | ".join(line.strip() for line in file.readlines()[-count:])
    except OSError:
        return ""


def free_ports(count):
    """Nobody listens there now; two clusters that start at once keep out of each other's way by a lock."""
    ports = []
    while len(ports) < count:
        port = random.randrange(FIRST_PORT, LAST_PORT)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


def below(root):
    """Processes below one, by process id. What its parents left is adopted by us, so it is among ours."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="latin-1") as file:
                    parents[int(entry)] = int(file.read().rsplit(")", 1)[1].split()[1])
            except OSError:
                pass
    found = {root}
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return found - {root}
        found |= more


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0] > 0:
            pass
    except ChildProcessError:
        pass


class Cluster:
    def __init__(self, options):
        self.options = options
        self.dir = os.path.abspath(options.dir)
        self.conf = os.path.join(self.dir, "slurm.conf")
        self.names = [f"n{i + 1}" for i in range(options.nodes)]
        self.daemons = {}
        self.env = {**os.environ, "SLURM_CONF": self.conf}
        self.env["PATH"] = self.env.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
        for name in list(self.env):  # of a job that we may run in
            if name.startswith(("SLURM_", "SLURMD_", "SBATCH_", "SALLOC_", "SRUN_")) and name != "SLURM_CONF":
                del self.env[name]

    def write(self):
        for name in ("state", "spool", "munge"):
            os.makedirs(os.path.join(self.dir, name), mode=0o755)
        self.munge_key()
        host = socket.gethostname().split(".")[0]
        with open("/var/tmp/holdall-slurm-ports.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            ports = free_ports(1 + self.options.nodes)
        o = self.options
        gres = f" Gres=gpu:{o.gpus}" if o.gpus else ""
        nodes = "\n".join(
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port}"
            f" CPUs={o.cpus} RealMemory={o.memory}{gres} State=UNKNOWN"
            for name, port in zip(self.names, ports[1:])
        )
        with open(self.conf, "w") as file:
            file.write(CONF.format(host=host, dir=self.dir, ports=ports, nodes=nodes))
        with open(os.path.join(self.dir, "gres.conf"), "w") as file:
            file.write("AutoDetect=off\n")
            for name in self.names if o.gpus else ():
                file.writelines(f"NodeName={name} Name=gpu File={device}\n" for device in DEVICES[: o.gpus])
        with open(os.path.join(self.dir, "cgroup.conf"), "w") as file:
            file.write("CgroupPlugin=autodetect\n")

    def munge_key(self):
        path = os.path.join(self.dir, "munge", "key")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(os.urandom(128))

    def daemon(self, name, argv):
        with open(os.path.join(self.dir, f"{name}.out"), "ab") as out:
            self.daemons[name] = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self.env,
                cwd=self.dir,
                start_new_session=True,
                preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0),
            )

    def start_munge(self):
        def path(name):
            return os.path.join(self.dir, "munge", name)

        options = [f"--key-file={path('key')}", f"--socket={path('socket')}", f"--pid-file={path('pid')}"]
        options += [f"--log-file={path('log')}", f"--seed-file={path('seed')}"]
        self.daemon("munged", ["munged", "--foreground", "--force", "--num-threads=2", *options])
        self.until("munged listens", lambda: os.path.exists(path("socket")))

    def start_controller(self):
        self.daemon("slurmctld", ["slurmctld", "-D", "-f", self.conf])

    def start_node(self, name):
        self.daemon(name, ["slurmd", "-D", "-N", name, "-f", self.conf])

    def start(self):
        self.write()
        self.start_munge()
        self.start_controller()
        for name in self.names:
            self.start_node(name)
        self.until("all nodes are idle", self.all_idle)

    def all_idle(self):
        asked = subprocess.run(
            ["sinfo", "-h", "-N", "-p", "normal", "-o", "%N %t"],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        return sorted(asked.stdout.split("\n")[:-1]) == sorted(f"{name} idle" for name in self.names)

    def until(self, what, condition):
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            for name, daemon in self.daemons.items():
                if daemon.poll() is not None:
                    log = "munge/log" if name == "munged" else f"{name if name == 'slurmctld' else 'slurmd-' + name}.log"
                    words = [last_lines(os.path.join(self.dir, file)) for file in (f"{name}.out", log)]
                    raise RuntimeError(f"{name} ended with {daemon.returncode}: {' | '.join(filter(None, words))}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"after {START_SECONDS} s still not: {what}")
            time.sleep(0.05)

    def end(self):
        """Kills everything of the cluster: jobs first, which know how to end, then whatever is left."""
        for name in [*self.names, "slurmctld"]:
            if name in self.daemons:
                self.daemons[name].kill()
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline:
            left = below(os.getpid())
            if not left:
                break
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            time.sleep(0.01)
            reap()
        for name in ("state", "spool", "munge"):
            shutil.rmtree(os.path.join(self.dir, name), ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--memory", type=int, default=2000)
    parser.add_argument("--gpus", type=int, default=1, choices=range(len(DEVICES) + 1))
    parser.add_argument("dir")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    os.umask(0o022)
    os.makedirs(options.dir, exist_ok=True)
    if os.listdir(options.dir):
        sys.exit(f"slurm cluster: {options.dir} is not empty")
    for tool in ("slurmctld", "slurmd", "munged"):
        if not shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            sys.exit(f"slurm cluster: {tool} is not installed: apt-get install slurm-wlm munge")
    if os.geteuid() != 0:
        sys.exit("slurm cluster: only root can start it")
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def stop(*_):
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    cluster = Cluster(options)
    code = 1
    began = time.monotonic()
    try:
        cluster.start()
        if options.command:
            env = {**os.environ, "SLURM_CONF": cluster.conf}
            code = subprocess.run(options.command, env=env).returncode
            code = 128 - code if code < 0 else code
        else:
            pids = {name: daemon.pid for name, daemon in cluster.daemons.items()}
            seconds = round(time.monotonic() - began, 3)
            say(ready=True, conf=cluster.conf, nodes=cluster.names, pids=pids, startup_s=seconds)
            serve(cluster)
            code = 0
    except KeyboardInterrupt:
        code = 143
    except RuntimeError as error:
        fail(error)
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        cluster.end()
    sys.exit(code)


def serve(cluster):
    """`kill NAME`, `stop NAME` (SIGTERM: a controller saves its state) and `start NAME`, of slurmctld, n1, ...; each is answered."""
    for line in sys.stdin:
        verb, _, name = line.strip().partition(" ")
        if verb in ("kill", "stop") and name in cluster.daemons:
            daemon = cluster.daemons[name]
            daemon.kill() if verb == "kill" else daemon.terminate()
            daemon.wait()
            say(ended=name, pid=daemon.pid)
        elif verb == "start" and name in cluster.daemons:
            cluster.start_controller() if name == "slurmctld" else cluster.start_node(name)
            say(started=name, pid=cluster.daemons[name].pid)
        else:
            say(unknown=line.strip())


main()
