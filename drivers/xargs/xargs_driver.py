"""xargs -P: no engine, but what many people use."""

import pathlib
import shlex
import subprocess
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from common import Engine, drive, first_line


class Xargs(Engine):
    def start(self):
        self.version = first_line(["xargs", "--version"]).rpartition(" ")[2]
        self.manager_pid = None  # one for each bag

    def run(self, tasks):
        command = tasks[0]["argv"]
        if all(task["argv"] == command for task in tasks):
            # Each line takes the place of a word that the command has not.
            how, lines = ["-I", "{of no argument}", *command], [""] * len(tasks)
        else:
            how = ["-n", "1", "sh", "-c", 'eval "exec $1"', "sh"]
            lines = [shlex.join(task["argv"]) for task in tasks]
        ended = subprocess.run(
            ["xargs", "-0", "-P", str(self.workers), *how],
            input="".join(line + "\0" for line in lines).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # It tells that something failed, but neither what nor how much: then none counts.
        return len(tasks) if ended.returncode == 0 else 0


if __name__ == "__main__":
    drive(Xargs)
