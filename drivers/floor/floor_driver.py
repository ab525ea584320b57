"""posix_spawn and wait in a C loop (kernels/spawn_floor.cpp): what nothing on this machine can beat."""

import json
import pathlib
import subprocess
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
from common import Engine, drive

CLONE = pathlib.Path(__file__).resolve().parents[2]


class Floor(Engine):
    @staticmethod
    def add_options(parser):
        parser.add_argument("--spawn-floor", default=str(CLONE / "build/kernels/spawn_floor"))

    def start(self):
        self.version = "posix_spawn"
        self.manager_pid = None

    def run(self, tasks):
        bag = pathlib.Path("bag")
        with bag.open("wb") as file:
            for task in tasks:
                words = [str(len(task["argv"])), *task["argv"]]
                file.write("".join(word + "\0" for word in words).encode())
        argv = [self.options.spawn_floor, "--bag", str(bag), str(self.workers)]
        ended = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        if ended.returncode not in (0, 1):
            raise RuntimeError(f"spawn_floor ended with {ended.returncode}")
        figures = json.loads(ended.stdout)
        return figures["tasks"] - figures["failed"], figures["seconds"]


if __name__ == "__main__":
    drive(Floor)
