"""What the bridge, the driver and the tests share about HTCondor: its programs, a pool on this host, the user log.

HTCondor's programs are a site's, found on the PATH, or those that scripts/setup-condor put into build/condor. With the
latter a pool of our own is started as the user that we are ("personal HTCondor"). HTCondor runs no jobs of root: where
we are root, pool and programs run in a user namespace in which root has the name of an ordinary user. Files, processes
and rights to them stay root's, as without HTCondor; only the name is another.
"""

import os
import pathlib
import pwd
import re
import shutil
import subprocess
import time

OWN = pathlib.Path(__file__).resolve().parent.parent.parent / "build" / "condor"
START_SECONDS = 60
ORDINARY_USER = 1  # there is one on every Linux: daemon, or bin

CONFIG = """\
RELEASE_DIR = {own}
BIN = $(RELEASE_DIR)/bin
SBIN = $(RELEASE_DIR)/sbin
LIB = $(RELEASE_DIR)/lib
LIBEXEC = $(RELEASE_DIR)/libexec
SHARE = $(RELEASE_DIR)/share
LOCAL_DIR = {folder}
LOG = $(LOCAL_DIR)/log
SPOOL = $(LOCAL_DIR)/spool
EXECUTE = $(LOCAL_DIR)/execute
LOCK = $(LOCAL_DIR)/lock
RUN = $(LOCAL_DIR)/run
LOCAL_CONFIG_FILE =
LOCAL_CONFIG_DIR =
DAEMON_LIST = {daemons}

# Nobody else reaches it: the loopback only, any free port, and who connects has to prove to be this user.
CONDOR_HOST = 127.0.0.1
COLLECTOR_HOST = 127.0.0.1:{port}
NETWORK_INTERFACE = 127.0.0.1
BIND_ALL_INTERFACES = False
ENABLE_IPV6 = False
SHARED_PORT_PORT = 0
COLLECTOR_ADDRESS_FILE = $(LOG)/.collector_address
SEC_DEFAULT_AUTHENTICATION = REQUIRED
SEC_DEFAULT_AUTHENTICATION_METHODS = FS
SEC_DEFAULT_ENCRYPTION = OPTIONAL
SEC_DEFAULT_INTEGRITY = OPTIONAL
ALLOW_READ = {user}@*
ALLOW_WRITE = {user}@*
ALLOW_DAEMON = {user}@*
ALLOW_NEGOTIATOR = {user}@*
ALLOW_ADMINISTRATOR = {user}@*
ALLOW_CONFIG =

# Containers have neither writable cgroups nor a session keyring.
BASE_CGROUP =
DISCARD_SESSION_KEYRING_ON_STARTUP = False
USE_PID_NAMESPACES = False

# Slots are cut to what jobs ask for. Nobody else works on this machine, so jobs start at any time and stay.
NUM_CPUS = {cpus}
MEMORY = {memory_mib}
NUM_SLOTS = 1
NUM_SLOTS_TYPE_1 = 1
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = True
START = True
SUSPEND = False
PREEMPT = False
KILL = False
RANK = 0
RUNBENCHMARKS = 0
STARTD_CRON_JOBLIST =
SCHEDD_CRON_JOBLIST =
JOB_DEFAULT_REQUESTMEMORY = 1
JOB_DEFAULT_REQUESTDISK = 1
MODIFY_REQUEST_EXPR_REQUESTCPUS = RequestCpus
MODIFY_REQUEST_EXPR_REQUESTMEMORY = RequestMemory
MODIFY_REQUEST_EXPR_REQUESTDISK = RequestDisk

# The shortest there are, in seconds: the defaults are for pools of thousands of hosts.
NEGOTIATOR_INTERVAL = 1
NEGOTIATOR_MIN_INTERVAL = 1
NEGOTIATOR_CYCLE_DELAY = 1
SCHEDD_INTERVAL = 1
SCHEDD_MIN_INTERVAL = 1
UPDATE_INTERVAL = 5
JOB_START_DELAY = 0
MAX_JOBS_RUNNING = 10000

# A host that is lost is noticed, and a daemon that died is started again, in seconds.
ALIVE_INTERVAL = 10
MASTER_BACKOFF_CONSTANT = 1
MASTER_BACKOFF_CEILING = 5
MAIL = /bin/true
SCHEDD_RESTART_REPORT =
{more}
"""


class CondorError(Exception):
    """Text for the user."""


class Tools:
    """HTCondor's programs as they are to be called: a site's as they are, or those of a pool of ours."""

    def __init__(self, prefix=(), folder=None, config=None):
        self.prefix = list(prefix)
        self.folder = folder
        self.config = config

    def argv(self, name, *args):
        return [*self.prefix, str(self.folder / name) if self.folder else name, *map(str, args)]

    def environment(self):
        if self.config is None:
            return None
        return {**os.environ, "CONDOR_CONFIG": str(self.config)}

    def run(self, name, *args, seconds=60):
        """What it prints. Throws CondorError with what it says when it fails."""
        try:
            done = subprocess.run(
                self.argv(name, *args),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=self.environment(),
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            raise CondorError(f"{name} has not answered for {seconds} s") from None
        except OSError as error:
            raise CondorError(f"{name}: {error}") from None
        if done.returncode != 0:
            said = " ".join((done.stderr + done.stdout).decode("utf-8", "replace").split())
            raise CondorError(f"{name}: {said or f'exit code {done.returncode}'}")
        return done.stdout.decode("utf-8", "replace")

    def version(self):
        found = re.search(r"\d+\.\d+\.\d+", self.run("condor_version"))
        return found.group() if found else "unknown"


def site_tools():
    """Those on the PATH, or None."""
    return Tools() if shutil.which("condor_submit") else None


class Pool:
    """A pool on this host. Its processes are children of the caller, who ends them (SIGKILL is fine)."""

    def __init__(self, folder, slots, memory_bytes, apart=False):
        """`slots`: how many cpus each node offers. A single node belongs to the central manager, unless it is to be `apart`."""
        if not (OWN / "bin" / "condor_submit").exists():
            raise CondorError(f"{OWN} is not there: sh scripts/setup --engines")
        self.folder = pathlib.Path(folder)
        self.slots = slots
        self.apart = apart or len(slots) > 1
        self.memory_mib = max(1, int(memory_bytes) // len(slots) // 1024**2)
        self.prefix, self.user = _ordinary()
        self.tools = Tools(self.prefix, OWN / "bin", self.folder / "central" / "config")
        self.port = "0"
        self.central = None
        self.nodes = []

    def start(self):
        """Returns when every slot is there to be matched."""
        daemons = "MASTER COLLECTOR NEGOTIATOR SCHEDD"
        self.central = self._master("central", daemons if self.apart else f"{daemons} STARTD", self.slots[0])
        give_up = time.monotonic() + START_SECONDS
        if self.apart:
            address = self.folder / "central" / "log" / ".collector_address"
            self._wait(give_up, lambda: address.exists() and "\n" in address.read_text())
            self.port = re.search(r":(\d+)", address.read_text()).group(1) + "?sock=collector"
            self.nodes = [self.start_node(node) for node in range(len(self.slots))]
        schedd = self.folder / "central" / "spool" / ".schedd_address"
        self._wait(give_up, lambda: self._ready(len(self.slots)) and schedd.exists())

    def start_node(self, node):
        """A node's condor_master; only where nodes are apart."""
        return self._master(f"node{node}", "MASTER STARTD", self.slots[node], f"STARTD_NAME = node{node}")

    def _ready(self, wanted):
        try:
            text = self.tools.run("condor_status", "-constraint", "PartitionableSlot", "-af", "Name", seconds=10)
        except CondorError:
            return False
        return len(text.split()) >= wanted

    def _wait(self, give_up, done):
        while not done():
            if self.central.poll() is not None or time.monotonic() > give_up:
                what = "its condor_master ended" if self.central.poll() is not None else "it is not ready in time"
                raise CondorError(f"HTCondor does not start, {what}: {self._trouble()}")
            time.sleep(0.1)

    def _trouble(self):
        """The last lines of what the daemons had to say."""
        lines = []
        for name in ("out", "log/MasterLog"):
            try:
                lines += (self.folder / "central" / name).read_text(errors="replace").splitlines()[-5:]
            except OSError:
                pass
        return " | ".join(lines) or "its log is empty"

    def _master(self, name, daemons, cpus, more=""):
        folder = self.folder / name
        for part in ("log", "spool", "execute", "lock", "run"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        text = CONFIG.format(
            own=OWN,
            folder=folder,
            daemons=daemons,
            port=self.port,
            user=self.user,
            cpus=max(1, cpus),
            memory_mib=self.memory_mib,
            more=more,
        )
        (folder / "config").write_text(text)
        with open(folder / "out", "ab") as out:
            return subprocess.Popen(
                [*self.prefix, str(OWN / "sbin" / "condor_master"), "-f"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=folder,
                env={**os.environ, "CONDOR_CONFIG": str(folder / "config")},
                start_new_session=True,
            )


def _ordinary():
    """How to start a program as somebody who is not root, and who that is."""
    if os.getuid() != 0:
        return [], pwd.getpwuid(os.getuid()).pw_name
    user = pwd.getpwuid(ORDINARY_USER)
    prefix = ["unshare", "--user", f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}", "--"]
    try:
        done = subprocess.run([*prefix, "true"], stdin=subprocess.DEVNULL, capture_output=True)
        said = done.stderr.decode("utf-8", "replace").strip() if done.returncode else ""
    except OSError as error:
        said = str(error)
    if said:
        raise CondorError(f"HTCondor runs no jobs of root, and this system makes no user namespace ({said}): not as root")
    return prefix, user.pw_name


SUBMITTED, EXECUTING, EVICTED, TERMINATED = 0, 1, 4, 5
SHADOW_EXCEPTION, ABORTED, HELD, RECONNECT_FAILED = 7, 9, 12, 24
_HEAD = re.compile(r"^(\d{3}) \((\d+)\.(\d+)\.\d+\) ")


class UserLog:
    """Follows a user log, which may be that of many jobs: every event once, as (event, cluster, process, lines)."""

    def __init__(self, path):
        self.path = path
        self.offset = 0
        self.rest = b""

    def read(self):
        try:
            if os.stat(self.path).st_size == self.offset:
                return []
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                data = file.read()
        except OSError:
            return []  # not yet there
        self.offset += len(data)
        *events, self.rest = (self.rest + data).split(b"\n...\n")
        found = []
        for event in events:
            lines = event.decode("utf-8", "replace").splitlines()
            head = _HEAD.match(lines[0]) if lines else None
            if head is not None:
                number, cluster, process = map(int, head.groups())
                found.append((number, cluster, process, [line.strip() for line in lines]))
        return found


def submitted(text):
    """Cluster and first process of what `condor_submit -terse` prints, as in "12.0 - 12.7"."""
    found = re.match(r"\s*(\d+)\.(\d+)", text)
    if found is None:
        raise CondorError(f"condor_submit printed {text.strip()[:200]!r}")
    return int(found.group(1)), int(found.group(2))


def quoted(words):
    """The value of `arguments` in a submit description."""
    text = " ".join("'" + word.replace("'", "''").replace('"', '""') + "'" for word in words)
    return '"' + text.replace("$", "$(DOLLAR)") + '"'


def plain(path):
    """A path in a submit description, in which $(...) would be looked up."""
    return str(path).replace("$", "$(DOLLAR)")


def ad_string(text):
    """A string in a ClassAd expression."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
