"""From the first screen to the proof of each root cause in at most five keys, on every recording."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from afscope.engine.investigation import Investigation
from afscope.ingest import import_sources
from afscope.model.finding import Role
from tests.tui.conftest import RECORDINGS, Start

MORE = os.environ.get("AFSCOPE_RECORDINGS", "")


def recordings() -> list[Path]:
    folders = [RECORDINGS, *([Path(MORE)] if MORE else [])]
    return list({p.parent.name: p.parent for folder in folders for p in sorted(folder.glob("*/label.json"))}.values())


@pytest.mark.parametrize("folder", recordings(), ids=lambda folder: folder.name)
async def test_the_proof_is_five_keys_away(start: Start, tmp_path: Path, folder: Path) -> None:
    out = tmp_path / f"{folder.name}.afscope"
    import_sources([folder], out)
    label: dict[str, Any] = json.loads((folder / "label.json").read_text())
    case = Investigation.open(out)
    async with start(case, size=(80, 24)) as app:
        if label.get("healthy"):
            assert app.frame().startswith("  HEALTHY")
            return
        roots = [f.cause for f in case.analysis.findings if f.role is Role.ROOT_CAUSE]
        for cause in label["root_causes"]:
            keys = [*["right_curly_bracket"] * roots.index(cause), "o"]
            assert len(keys) <= 5
            await app.press(*keys)
            overview = app.screen.overview
            finding = overview.finding
            assert finding is not None
            assert finding.cause == cause
            assert overview.evidence_open == finding.evidence[0]
            assert overview.switch.current == "rows"
            assert overview.rows.record  # the row itself, in full
            await app.press("escape", "escape", "escape", *["left_curly_bracket"] * 4)
    case.close()
