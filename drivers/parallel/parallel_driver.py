"""GNU Parallel, one command a line; exit codes and signals as its job log tells them."""

import pathlib
import shlex
import subprocess
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from common import Engine, drive, first_line

EXIT, SIGNAL = 6, 7  # columns of the job log


class Parallel(Engine):
    def start(self):
        self.version = first_line(["parallel", "--version"]).rpartition(" ")[2]
        self.manager_pid = None  # one for each bag

    def run(self, tasks):
        log = pathlib.Path("joblog")
        log.unlink(missing_ok=True)
        retries = ["--retries", str(self.retries + 1)] if self.retries else []
        subprocess.run(
            ["parallel", "--will-cite", "-0", "-j", str(self.workers), "--joblog", str(log), *retries],
            input="".join(shlex.join(task["argv"]) + "\0" for task in tasks).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # Retried jobs have a line for each time; the last one counts. What was not run has none.
        ended = {}
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[1:]:
            columns = line.split("\t")
            if len(columns) > SIGNAL and columns[0].isdigit():
                ended[columns[0]] = columns[EXIT] == "0" and columns[SIGNAL] == "0"
        return sum(ended.values())


if __name__ == "__main__":
    drive(Parallel)
