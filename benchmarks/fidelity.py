#!/usr/bin/env python3
"""Fidelity of the simulation on recordings: which recorded decisions the rules reach from the recorded inputs.

    python benchmarks/fidelity.py FOLDER [FOLDER …]     (recordings, or captures)

Prints per recording: writes and observed syncs that are reproduced, syncs that left no trace, the width of the metric's
interval (median, in replicas), and each mismatch with what the recorder did not know. The last column is the same check
with a rule deliberately broken (a behavior where the HPA has none, none where it has one; a maximum one higher): it
must fall, else the check proves nothing. Exits 1 below 100 % of the writes or 99 % of the syncs.
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from unittest import mock

from afscope.control.hpa import Behavior, HpaSpec
from afscope.engine.investigation import Investigation
from afscope.ingest import import_sources
from afscope.model.simulation import Fidelity
from afscope.simulate import fidelity, looks
from afscope.simulate import world as worlds


def broken(spec: HpaSpec) -> HpaSpec:
    """Another HPA than the one that was recorded."""
    behavior = Behavior() if spec.behavior is None else None
    return replace(spec, behavior=behavior, max_replicas=spec.max_replicas + 1)


def checked(investigation: Investigation) -> list[tuple[str, Fidelity, Fidelity]]:
    """Per target: the fidelity, and that of broken rules."""
    world = worlds.load(investigation)
    out = []
    spec_of = looks.spec_of
    for group in world.groups:
        good = fidelity.check(investigation, group)
        with mock.patch.object(looks, "spec_of", lambda row: broken(spec_of(row))):
            out.append((group.name, good, fidelity.check(investigation, group)))
    return out


def captures(folders: list[Path], scratch: Path) -> list[tuple[str, Path]]:
    """Captures as they are; recordings are imported first, a folder of recordings one by one."""
    found = []
    for folder in folders:
        if (folder / "manifest.json").exists():
            found.append((folder.name, folder))
            continue
        inside = [folder] if (folder / "k8s").exists() else sorted(path.parent for path in folder.glob("*/k8s"))
        for recording in inside:
            path = scratch / f"{recording.name}.afscope"
            import_sources([recording], path)
            found.append((recording.name, path))
        if not inside:
            found += [(path.name, path) for path in sorted(folder.glob("*.afscope"))]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    options = parser.parse_args()
    totals = [0] * 6
    print(
        f"{'recording':34} {'writes':>9} {'syncs':>9} {'no trace':>8} {'width':>6} {'trusted':>7} {'broken rules':>13}"
    )
    with tempfile.TemporaryDirectory() as scratch:
        for name, path in captures(options.folders, Path(scratch)):
            investigation = Investigation.open(path)
            for _, good, bad in checked(investigation):
                numbers = (good.writes_matched, good.writes_total, good.syncs_matched, good.syncs_observed)
                wrong = (bad.writes_matched + bad.syncs_matched, bad.writes_total + bad.syncs_observed)
                totals = [a + b for a, b in zip(totals, (*numbers, *wrong), strict=True)]
                print(
                    f"{name:34} {numbers[0]:4}/{numbers[1]:<4} {numbers[2]:4}/{numbers[3]:<4} {good.unobservable:8}"
                    f" {good.metric_width:6.3f} {'yes' if good.trusted else 'no':>7} {wrong[0]:6}/{wrong[1]:<6}",
                    flush=True,
                )
                for miss in good.mismatches:
                    print(f"    {miss.kind} {miss.recorded}; rules: {miss.expected}; {miss.because}")
            investigation.close()
    writes, all_writes, syncs, all_syncs, wrong_matched, wrong_all = totals
    print(
        f"writes {writes}/{all_writes}, observed syncs {syncs}/{all_syncs}; with broken rules {wrong_matched}/{wrong_all}"
    )
    return 0 if writes == all_writes and syncs >= 0.99 * all_syncs else 1


if __name__ == "__main__":
    sys.exit(main())
