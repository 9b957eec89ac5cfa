#!/usr/bin/env python3
"""More incidents than were recorded: real recordings, perturbed, and what must be said of them.

    python benchmarks/incidents.py FOLDER OUT [--seed 1] [--only SUBSTRING] [--share 0.3]
    python benchmarks/scoreboard.py OUT

Each recording of FOLDER gets other names and another day, clocks that disagree, a StatefulSet instead of a Deployment,
other timers, holes, one source less at a time, frames that come twice, late, aggregated or not at all; some are laid
over each other or follow each other, so that a capture holds two causes. Names and times are changed in every file
alike. Labels follow: with a source or a stretch missing a cause may be missed, but nobody innocent may be blamed and
nothing else may be named. `--share` takes a part of them at random.
"""

import argparse
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.combine import followed_by, laid_over
from benchmarks.perturb import variants
from benchmarks.recorded import Recording

# Laid over each other: what holds for one worker set or one DAG leaves the other alone.
LOCAL = (
    "quota", "pool", "image_pull", "max_active_tasks", "unschedulable", "dag_paused", "worker_crash", "max_active_runs",
    "max_replicas", "flapping", "healthy", "queued_only_query", "bad_sql", "slow_boot",
)  # fmt: skip
# After each other: also what holds for everybody.
ANY = (*LOCAL, "db_locked", "scheduler_hung", "metrics_apiserver_hung", "operator_hung", "queue_mismatch")
PAIRS_OF_EACH = 24


def incidents(known: dict[str, Recording], dice: random.Random) -> Iterator[tuple[str, Callable[[], Recording]]]:
    """Name and maker of every incident; what is not wanted is not made."""
    for name, recording in known.items():
        for variant, changed in variants(recording, dice):
            yield f"{name}.{variant}", lambda changed=changed: changed
    for mark, names, combine in (("+", LOCAL, laid_over), ("-then-", ANY, followed_by)):
        pairs = [(one, other) for one in names for other in names if one != other]
        for one, other in dice.sample(pairs, PAIRS_OF_EACH):
            if one in known and other in known:
                yield f"{one}{mark}{other}", lambda a=one, b=other, join=combine: join(known[a], known[b], dice)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="only variants whose name contains this")
    parser.add_argument("--share", type=float, default=1.0, help="only this share of them, picked at random")
    options = parser.parse_args()
    dice, pick = random.Random(options.seed), random.Random(options.seed)
    known = {path.parent.name: Recording.load(path.parent) for path in sorted(options.folder.glob("*/label.json"))}
    made = 0
    for name, make in incidents(known, dice):
        if options.only in name and pick.random() < options.share:
            make().save(options.out / name)
            made += 1
    print(f"{made} incidents in {options.out}")
    return 0 if made else 2


if __name__ == "__main__":
    sys.exit(main())
