"""What a capture says about itself: the manifest and the state of each source."""

from enum import StrEnum
from typing import Any

import msgspec

from afscope.model.clock import Micros

FORMAT_VERSION = 1


class SourceState(StrEnum):
    """How much a source can be trusted. `ok` with zero rows means "listed, there were none"."""

    OK = "ok"
    NOT_RECORDED = "not_recorded"
    FORBIDDEN = "forbidden"
    ABSENT = "absent"  # the API does not know the kind (a missing CRD), the table does not exist
    FAILED = "failed"
    PARTIAL = "partial"  # recorded, with holes that `gaps` lists


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    """One source (named as the table that it fills) and why it is not `ok`."""

    status: SourceState
    reason: str = ""


class ClockOffset(msgspec.Struct, frozen=True):
    """How far a source's clock runs ahead of the recorder's, in microseconds, and how sure that is."""

    offset_us: int
    uncertainty_us: int


class Segment(msgspec.Struct, frozen=True):
    """One sealed parquet file. `path` is relative to the capture; `first` and `last` bound its `ts`."""

    table: str
    seq: int
    path: str
    rows: int
    bytes: int
    crc32c: int
    first: Micros
    last: Micros


class Manifest(msgspec.Struct):
    """`manifest.json`: written whole and atomically at creation, at every seal and at close."""

    format_version: int
    id: str
    afscope_version: str
    started_at: Micros
    ended_at: Micros
    closed: bool = False
    cluster: str = ""
    origin: str = ""  # "import", "capture", "live", "cut", …
    airflow_version: str = ""  # the range the alembic head proves, e.g. "2.10.3-2.11.2"
    epoch_us: Micros = 600_000_000
    sources: dict[str, Source] = {}
    clock_offsets: dict[str, ClockOffset] = {}
    redactions: dict[str, int] = {}
    unread: list[str] = []  # what an import could not read: "file:line: why"
    segments: list[Segment] = []
    settings: dict[str, Any] = {}
