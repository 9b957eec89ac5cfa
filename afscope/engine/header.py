"""The header of an analyzer file: TOML in SQL comments between two `-- ---` fences, then exactly one SELECT."""

import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from afscope.errors import AnalyzerError
from afscope.model.finding import COMPONENTS, STAGES, Severity

FENCE = "-- ---"
GROUPS = ("timeline", "bottleneck", "symptom", "log", "lint", "alibi")
# Those whose rows become findings.
FINDING_GROUPS = frozenset({"bottleneck", "symptom", "log", "lint"})
SCOPES = ("", "all", "dag", "run", "pool", "queue", "target")


class Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a finding or a ruling says in one language; `{name}` is filled from the row's `params`.

    A param whose value is a key of `variants` is replaced by that text first, so that SQL never holds sentences.
    `name` is for strips and legends; without one it is the id in words.
    """

    name: str = ""
    title: str = ""
    detail: str = ""
    remedy: str = ""
    because: str = ""
    variants: dict[str, str] = {}


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an analyzer file says about itself.

    A bottleneck with `binds` claims waiting seconds: those of attempts whose DAG, run, pool, queue or target equals
    the row's `subject` (or all of them), while they are in one of `holds` (default: its own stage). With
    `cap = true` it is a limit that only binds where its holders really run. `ordinary = true` marks latency that
    the configured timers explain: such findings are observations, whatever they cost. `also` names other
    components that the analyzer may blame through its `component` column.

    A `symptom` claims nothing: it says what went wrong for whom, and is explained by causes. A `lint` says that
    settings contradict each other: an observation, whatever happens. A `log` speaks for the causes that its `cause`
    column names where there are no tables to tell.
    """

    id: str
    group: str = "bottleneck"
    stage: str = "unknown"
    component: str = ""
    also: tuple[str, ...] = ()
    severity: Severity = Severity.MEDIUM
    doc: str = ""
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    explains: tuple[str, ...] = ()
    replaces: str = ""
    binds: str = ""
    holds: tuple[str, ...] = ()
    cap: bool = False
    ordinary: bool = False
    params: dict[str, Any] = {}
    text: dict[str, Texts] = {}


class AnalyzerFile(msgspec.Struct, frozen=True):
    """A parsed analyzer: header, the SELECT, and where it came from."""

    header: Header
    sql: str
    path: Path
    shipped: bool

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages in which a bottleneck may claim waiting seconds."""
        return self.header.holds or (self.header.stage,)


def parse(path: Path, *, shipped: bool = False) -> AnalyzerFile:
    """Reads one analyzer file; AnalyzerError says what is wrong and in which line of thought."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AnalyzerError(f"analyzer {path}: cannot be read: {error}") from error
    return _parsed(path, text, shipped)


# A live view loads the catalog every few seconds, and the TOML of all files takes a quarter of a second.
@lru_cache(maxsize=512)
def _parsed(path: Path, text: str, shipped: bool) -> AnalyzerFile:
    toml, sql = _split(path, text)
    try:
        header = msgspec.convert(tomllib.loads(toml), Header, strict=True)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise AnalyzerError(f"analyzer {path}: header: {error}", "see docs/analyzers.md for the keys") from error
    _check(path, header, shipped=shipped)
    return AnalyzerFile(header, sql, path, shipped)


def _split(path: Path, text: str) -> tuple[str, str]:
    lines = text.splitlines()
    fences = [number for number, line in enumerate(lines) if line.strip() == FENCE]
    if len(fences) < 2 or fences[0] != 0:
        raise AnalyzerError(f"analyzer {path}: no header", f"start the file with a TOML header between two '{FENCE}'")
    head = lines[1 : fences[1]]
    for number, line in enumerate(head, start=2):
        if not line.startswith("--"):
            raise AnalyzerError(f"analyzer {path}:{number}: header lines start with '-- '")
    toml = "\n".join(line[2:].removeprefix(" ") for line in head)
    return toml, "\n".join(lines[fences[1] + 1 :]).strip().rstrip(";")


def _check(path: Path, header: Header, *, shipped: bool) -> None:
    problem = next(_problems(path, header, shipped=shipped), None)
    if problem:
        raise AnalyzerError(f"analyzer {path}: {problem}")


def _problems(path: Path, header: Header, *, shipped: bool) -> Iterator[str]:
    if header.id != path.stem:
        yield f"id {header.id!r} is not the file's name"
    if header.group not in GROUPS:
        yield f"group {header.group!r} is none of {', '.join(GROUPS)}"
    if header.group == "timeline":
        return
    if header.component not in COMPONENTS:
        yield f"component {header.component!r} is none of {', '.join(COMPONENTS)}"
    unknown = [stage for stage in (header.stage, *header.holds) if stage not in STAGES]
    if header.group in FINDING_GROUPS and unknown:
        yield f"stage {unknown[0]!r} is none of {', '.join(STAGES)}"
    if header.group != "bottleneck" and (header.binds or header.holds or header.cap or header.ordinary):
        yield "only a bottleneck has binds, holds, cap or ordinary"
    if header.binds not in SCOPES:
        yield f"binds {header.binds!r} is none of {', '.join(SCOPES)}"
    wanted = ("en", "zh") if shipped else ("en",)
    field = "because" if header.group == "alibi" else "title"
    for lang in wanted:
        if not getattr(header.text.get(lang, Texts()), field):
            yield f"text.{lang} has no {field}"
