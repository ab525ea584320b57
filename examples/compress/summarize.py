"""Sums up the stats that the compress tasks left: a task without a readable one has failed."""

import argparse
import json
import math
import os
import sys


def read_stats(path):
    """total_ms and ratio of one task, or None if it left no stats."""
    try:
        with open(path, encoding="utf-8") as file:
            stats = json.load(file)
        return float(stats["total_ms"]), float(stats["ratio"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"summarize: {path} is not a stats file ({error!r}); counted as failed",
              file=sys.stderr)
        return None


def percentile(ordered, fraction):
    """Linear between the two nearest values, as in numpy's default."""
    at = fraction * (len(ordered) - 1)
    low = math.floor(at)
    high = math.ceil(at)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="where stats_000.json and its like are")
    parser.add_argument("--tasks", type=int, required=True, help="how many there should be")
    arguments = parser.parse_args()

    paths = [os.path.join(arguments.folder, f"stats_{i:03d}.json") for i in range(arguments.tasks)]
    found = [stats for stats in map(read_stats, paths) if stats is not None]
    print(f"done      {len(found)}")
    print(f"failed    {arguments.tasks - len(found)}")
    if found:
        times = sorted(total_ms for total_ms, _ in found)
        mean_ms = sum(times) / len(times)
        mean_ratio = sum(ratio for _, ratio in found) / len(found)
        print(f"total_ms  mean {mean_ms:.2f}  p50 {percentile(times, 0.5):.2f}  "
              f"p95 {percentile(times, 0.95):.2f}")
        print(f"ratio     mean {mean_ratio:.3f}")


if __name__ == "__main__":
    main()
