#!/usr/bin/env python3
"""Back-test: a what-if on one recording against what really happened in another.

    python benchmarks/backtest.py FOLDER        (of recordings, or of captures)

The same burst was recorded with other settings: `baseline` (max 5) and `slow_boot` (max 5, slow workers) are asked what
would have happened under the settings of `healthy` (max 8, its boots), and the answer is compared with `healthy` itself:
once with the phases of the loops as recorded, once with phases drawn, since `healthy` had its own. Below, each recording
whose work was done before it ended is compared with its own simulation, nothing changed. Errors are printed as they are.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

from afscope.engine.investigation import Investigation
from afscope.ingest import import_sources
from afscope.model.clock import SECOND
from afscope.model.simulation import Outcome
from afscope.simulate import simulate
from afscope.simulate import world as worlds

TRUTH = "healthy"
ASKED = ("baseline", "slow_boot")
MEASURES = ("wait_p50_s", "wait_p95_s", "wait_total_s", "pod_hours")


def opened(folder: Path, name: str, scratch: Path) -> Investigation:
    """A recording by its name, imported if need be."""
    ready = folder / f"{name}.afscope"
    if not ready.exists():
        ready = scratch / f"{name}.afscope"
        if not ready.exists():
            import_sources([folder / name], ready)
    return Investigation.open(ready)


def compared(name: str, predicted: Outcome, real: Outcome) -> None:
    """One block: each measure predicted (with its interval), real, and the error."""
    print(name)
    for measure in MEASURES:
        guess, truth = getattr(predicted, measure), getattr(real, measure)
        low, high = predicted.ci.get(measure, (guess, guess))
        error = f"{(guess - truth) / truth:+7.1%}" if truth else "      -"
        inside = "inside" if low <= truth <= high else "outside"
        print(
            f"    {measure:14} predicted {guess:9.3f} [{low:9.3f} … {high:9.3f}]  real {truth:9.3f}  {error}  {inside}"
        )
    print(f"    {'peak replicas':14} predicted {peak(predicted):9}{'':27}real {peak(real):9}")


def peak(outcome: Outcome) -> int:
    """The most replicas that were asked for."""
    return max((size for _, size in outcome.replicas), default=0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        truth = opened(options.folder, TRUTH, Path(scratch))
        group = worlds.load(truth).groups[0]
        boot = median(group.boots) / SECOND
        (real,) = simulate(truth, draws=1)
        settings = {"maxReplicaCount": str(group.target.max_replicas), "pod_start_s": f"{boot:.1f}"}
        print(f"asked: {settings}; real: {TRUTH}\n")
        for name in ASKED:
            source = opened(options.folder, name, Path(scratch))
            (asked,) = simulate(source, [settings, {**settings, "timers": "free"}])
            compared(f"{name} -> {TRUTH}, timers as in {name}", asked.variants[0], real.recorded)
            compared(f"{name} -> {TRUTH}, timers of any day", asked.variants[1], real.recorded)
        print("\neach recording against its own simulation\n")
        folders = [path for path in options.folder.iterdir() if path.suffix == ".afscope" or (path / "k8s").exists()]
        names = sorted({path.stem for path in folders})
        for name in names:
            for found in simulate(opened(options.folder, name, Path(scratch))):
                if found.recorded.finished_at is not None and found.recorded.wait_total_s:
                    compared(f"{name} {found.target}", found.baseline, found.recorded)
    return 0


if __name__ == "__main__":
    sys.exit(main())
