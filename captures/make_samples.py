#!/usr/bin/env python3
"""Builds the samples that ship in the wheel: imports recorded incidents and packs them.

    python captures/make_samples.py FOLDER_OF_RECORDINGS

The same recordings give the same bytes, so a rebuild without a change of the format leaves no diff. Samples are
replaced; a recording's label is not part of them.
"""

import argparse
import shutil
import sys
import tempfile
import uuid
from pathlib import Path
from unittest import mock

SAMPLES = Path(__file__).resolve().parent / "samples"
PLAN = {
    "metrics-apiserver-hung": (
        "metrics_apiserver_hung",
        "the HPA asks for its metric and nobody answers, while tasks wait",
    ),
    "max-replicas-ceiling": ("max_replicas", "more work than maxReplicaCount workers can take"),
    "healthy": ("healthy", "a burst is served and the workers leave again: nothing to blame"),
}


def main() -> int:
    """Builds all samples; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", type=Path)
    folder = parser.parse_args().recordings
    SAMPLES.mkdir(exist_ok=True)
    for name, (recording, _) in PLAN.items():
        size = build(folder / recording, SAMPLES / f"{name}.afscope.zip")
        sys.stdout.write(f"{name}: {size / 1024:.0f} KiB\n")
    index = "".join(f'{name} = "{about}"\n' for name, (_, about) in PLAN.items())
    (SAMPLES / "samples.toml").write_text(index, encoding="utf-8")
    return 0


def build(recording: Path, packed: Path) -> int:
    """Imports one recording and packs it; returns the size in bytes."""
    from afscope.ingest import import_sources
    from afscope.store.pack import pack

    with tempfile.TemporaryDirectory() as work:
        source, capture = Path(work) / recording.name, Path(work) / packed.name.removesuffix(".zip")
        shutil.copytree(recording, source, ignore=shutil.ignore_patterns("label.json"))
        # A capture's id is random; a sample's is not, so that equal recordings give equal bytes.
        with mock.patch("uuid.uuid4", return_value=uuid.uuid5(uuid.NAMESPACE_DNS, packed.name)):
            import_sources([source], capture)
        packed.unlink(missing_ok=True)
        pack(capture, packed)
        packed.chmod(0o644)  # captures are private, samples are not
    return packed.stat().st_size


if __name__ == "__main__":
    sys.exit(main())
