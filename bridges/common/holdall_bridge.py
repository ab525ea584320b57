"""What the bridges in Python share: the protocol of bridges/README.md, and that nothing they started stays.

A bridge is two processes. The first only keeps watch: it is the second one's parent, and ends whatever the second one
leaves, should that be killed. The second one drives the engine, and ends everything when its stdin ends or its keeper is gone.
Both are where processes go that lose their parents, so there is no daemon of an engine that they do not find.
"""

import argparse
import ctypes
import json
import os
import shutil
import signal
import sys
import threading
import time

PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 15, 36
COLLECT_SECONDS = 0.1
WATCH_SECONDS = 0.25
END_SECONDS = 1  # for what is below us to end; then it is the keeper's
MOST_SHOWN = 400

_folder = None
_protocol = None
_engine = None
_speaking = threading.Lock()
_ending = threading.Lock()


class Engine:
    """What a bridge implements. All of it is called on the main thread, except for `close`."""

    name = ""
    version = ""
    #: what of cpus, memory, gpus, retries, cancel, staging, priorities the engine does itself
    carries = ()
    #: where cpus or memory are not carried: what every attempt has at its disposal, on every host of the engine
    slot_cpus = 1
    slot_memory_bytes = 0
    #: for an engine of the user's to be left in order
    close_seconds = 1.5

    def __init__(self, options):
        self.options = options
        #: options that make the engine the user's define it
        self.attached = False
        self.folder = os.path.dirname(options.context)

    @staticmethod
    def add_options(parser):
        """Options of this bridge alone."""

    def start(self):
        """Returns when the engine can take work."""

    def submit(self, batch):
        """`batch`: (number, cpus, memory in bytes) of attempts, in order. Each becomes a task of the engine.

        An engine that carries gpus is told their number as well.
        """
        raise NotImplementedError

    def cancel(self, number):
        """Forgets an attempt, if it has not been started."""

    def finished(self):
        """(number, what there is to say) of those that the engine is done with since the last call."""
        return []

    def close(self):
        """Leaves an engine of the user's in order. What is below us is killed after it."""


def launching(launcher, copy, path, context):
    """The function that engines run on their workers, given an attempt's number. All that it needs travels with it.

    It raises RuntimeError when the launcher did not do its work: how the attempt ends, the launcher tells Holdall.
    `copy` is the launcher's content, or None, and `context` that of the context file, or None, for workers without these files.
    """

    def launch(number):
        import os
        import sys

        # A worker process keeps the launchers it has started, and each runs one attempt at a time: to start one takes longer
        # than to have it run an attempt. They end with us, when their stdin does.
        idle = sys.__dict__.setdefault("_holdall_launchers", {}).setdefault(path, [])
        try:
            asked, answers = idle.pop()
        except IndexError:
            program = launcher
            if copy is not None and not os.access(program, os.X_OK):
                import hashlib
                import tempfile

                name = "holdall-launcher-" + hashlib.sha256(copy).hexdigest()[:16]
                program = os.path.join(tempfile.gettempdir(), name)
                if not os.access(program, os.X_OK):
                    draft = f"{program}.{os.getpid()}"
                    with open(draft, "wb") as file:
                        file.write(copy)
                    os.chmod(draft, 0o755)
                    os.rename(draft, program)
            where = path
            theirs, asked = os.pipe()
            answers, said = os.pipe()
            files = [(os.POSIX_SPAWN_DUP2, theirs, 0), (os.POSIX_SPAWN_DUP2, said, 1)]
            closed = [theirs, said]
            if context is not None and not os.access(path, os.R_OK):
                memory = os.memfd_create("context")
                os.write(memory, context)
                where = "/dev/fd/2"
                files.append((os.POSIX_SPAWN_DUP2, memory, 2))
                closed.append(memory)
            try:
                os.posix_spawn(program, [program, "--attempts", where], {}, file_actions=files)
            except OSError as error:
                raise RuntimeError(f"{program} on {os.uname().nodename}: {error.strerror}") from None
            finally:
                for each in closed:
                    os.close(each)
        try:
            answer = b""
            os.write(asked, b"%d\n" % number)
            while not answer.endswith(b"\0"):
                more = os.read(answers, 4096)
                if not more:
                    break
                answer += more
            if answer.endswith(b"\0"):
                idle.append((asked, answers))
                asked = None
        except BrokenPipeError:
            pass
        finally:
            if asked is not None:  # it ended, or we were told to stop
                os.close(asked)
                os.close(answers)
        text = answer[:-1].decode("utf-8", "replace").strip()
        if text != "0":
            raise RuntimeError(f"the launcher on {os.uname().nodename} ended: {text or 'nobody knows why'}")

    return launch


def say(**message):
    data = (json.dumps(message) + "\n").encode()
    with _speaking:
        try:
            while data:
                data = data[os.write(_protocol, data) :]
        except OSError:
            pass  # whoever listened is gone: stdin is about to end


def children():
    """Our children by process id: (name, state)."""
    found = {}
    me = os.getpid()
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="latin-1") as file:
                text = file.read()
        except OSError:
            continue
        name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
        if int(rest[1]) == me:
            found[int(entry)] = (name, rest[0])
    return found


def end_descendants():
    """Kills everything below us, again and again: what processes leave is re-parented to us."""
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0] > 0:
                pass
        except ChildProcessError:
            return
        for pid in children():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        time.sleep(0.002)


def end(code):
    _ending.acquire()  # and never released: one end is enough
    try:
        if _engine is not None and _engine.attached and code == 0:
            closing = threading.Thread(target=_close, daemon=True)
            closing.start()
            closing.join(_engine.close_seconds)
        # An engine that restarts what we kill must not keep us.
        late = threading.Timer(END_SECONDS, os._exit, [code])
        late.daemon = True
        late.start()
        end_descendants()
        if _folder and "/holdall-channel-" in _folder:
            shutil.rmtree(_folder, ignore_errors=True)  # made by the Holdall worker, which may have had a kill -9
    finally:
        os._exit(code)


def _close():
    try:
        _engine.close()
    except BaseException:
        pass  # nobody is left to be told


def give_up(why):
    os.write(2, (" ".join(str(why).split())[:2000] + "\n").encode())
    end(1)


def watch(processes):
    """`processes`: name by process id, of those below us. Without its daemons an engine may have us wait for ever."""

    def look():
        while True:
            time.sleep(WATCH_SECONDS)
            for pid, name in processes.items():
                if _state(pid) in "ZX":
                    give_up(f"{name} ended")

    threading.Thread(target=look, daemon=True).start()


def _state(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            text = file.read()
        return text[text.rindex(")") + 2]
    except OSError:
        return "X"


def run_bridge(make):
    """The whole of a bridge's main program; `make` is a subclass of Engine."""
    global _folder, _protocol, _engine
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    lifeline, held = os.pipe()
    child = os.fork()
    if child > 0:
        libc.prctl(PR_SET_NAME, b"holdall-keeper", 0, 0, 0)
        os.close(lifeline)
        _keep(child)
    os.close(held)
    os.setsid()  # the keeper's group may be killed: then we see it
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_NAME, f"holdall-{make.name}".encode(), 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _protocol = os.dup(1)
    os.set_inheritable(_protocol, False)
    os.dup2(2, 1)  # whatever the engine prints must not come among the lines
    parser = argparse.ArgumentParser()
    for name in ("launcher", "context"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("cpus", "memory"):
        parser.add_argument(f"--{name}", type=float, required=True)
    make.add_options(parser)
    options = parser.parse_args()
    _folder = os.path.dirname(options.context)

    lines = []
    arrived = threading.Condition()

    def read():
        with open(0, "rb", buffering=0, closefd=False) as stdin:
            rest = b""
            while chunk := stdin.read(1 << 16):
                *whole, rest = (rest + chunk).split(b"\n")
                with arrived:
                    lines.extend(whole)
                    arrived.notify()
        end(0)  # the Holdall worker is gone, or wants it so; also while the engine still starts

    def follow_keeper():
        os.read(lifeline, 1)
        end(1)

    for each in (read, follow_keeper):
        threading.Thread(target=each, daemon=True).start()
    try:
        _engine = make(options)
        _engine.start()
    except BaseException as error:
        give_up(error if type(error) is SystemExit else f"{type(error).__name__}: {error}")
    all_names = ("cpus", "memory", "gpus", "retries", "cancel", "staging", "priorities", "output")
    say(
        type="hello",
        protocol=1,
        name=_engine.name,
        version=_engine.version,
        capabilities={name: name in _engine.carries for name in all_names},
        slot={"cpus": _engine.slot_cpus, "memory_bytes": _engine.slot_memory_bytes},
    )
    try:
        _drive(_engine, lines, arrived)
    except BaseException as error:
        give_up(f"{type(error).__name__}: {error}")


def _drive(engine, lines, arrived):
    outstanding = set()
    collect_at = 0
    while True:
        with arrived:
            if not lines:
                arrived.wait(COLLECT_SECONDS if outstanding else None)
            batch, lines[:] = lines[:], []
        starts = []
        for text in batch:
            line = json.loads(text)
            kind = line["type"]
            if kind == "start":
                needs = ("cpus", "memory_bytes", "gpus") if "gpus" in engine.carries else ("cpus", "memory_bytes")
                starts.append((line["id"], *(line[need] for need in needs)))
                continue
            if starts:
                engine.submit(starts)
                outstanding.update(start[0] for start in starts)
                starts = []
            if kind == "cancel":
                engine.cancel(line["id"])
            elif kind == "close":
                end(0)
        if starts:
            engine.submit(starts)
            outstanding.update(start[0] for start in starts)
        # Launchers tell how attempts end, and at once; what an engine has to say matters where they did not.
        now = time.monotonic()
        if outstanding and now >= collect_at:
            for number, message in engine.finished():
                outstanding.discard(number)
                say(type="done", id=number, message=" ".join(str(message).split())[:MOST_SHOWN])
            collect_at = time.monotonic() + COLLECT_SECONDS


def _keep(child):
    """Never returns. Whatever is left when the bridge is gone comes to us, and ends."""
    os.close(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            break
    end_descendants()
    if os.WIFSIGNALED(status):
        os.write(2, f"it was ended by signal {os.WTERMSIG(status)}\n".encode())
        os._exit(1)
    os._exit(os.WEXITSTATUS(status))
