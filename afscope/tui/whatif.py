"""Simulations for the screen: of a recorded case, of a stretch of it, or of one that still grows."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from afscope.errors import QueryError
from afscope.model.clock import Micros
from afscope.model.simulation import Simulation
from afscope.model.stop import Stop
from afscope.tui.source import CaseFile
from afscope.tui.words import word

if TYPE_CHECKING:
    from afscope.engine.investigation import Investigation

Variants = Sequence[Mapping[str, str]]
Stretch = tuple[Micros, Micros] | None


def simulated(
    case: CaseFile, variants: Variants, target: str, lang: str, span: Stretch = None, stop: Stop | None = None
) -> Simulation:
    """The simulation of one target, within `span` or over everything. For a thread.

    A case that grows is simulated where its analysis is, in a process of its own. Raises AfscopeError, also when it
    was called off.
    """
    asked, stop = (list(variants), target, lang, span), stop or Stop()
    if hasattr(case, "session"):
        if not hasattr(case, "attribution"):
            raise QueryError(word(lang, "whatif_not_yet"))
        return over(cast("Investigation", case), *asked, stop)
    apart: Any = getattr(case, "analyzed", None)
    if apart is None:
        raise QueryError(word(lang, "whatif_not_yet"))
    found: Simulation = apart.call(__name__, "over", asked, stop)
    return found


def over(
    investigation: "Investigation", variants: Variants, target: str, lang: str, span: Stretch, stop: Stop
) -> Simulation:
    """As `afscope simulate` does, with `span` as its --since and --until: that stretch is analyzed anew first."""
    from afscope.simulate import simulate  # late: it costs nothing before it is wanted

    if span is None:
        return simulate(investigation, variants, target=target, lang=lang, stop=stop)[0]
    from afscope.engine.investigation import Investigation

    part = Investigation(
        investigation.capture, investigation.catalog, lang=lang, since=span[0], until=span[1], stop=stop
    )
    try:
        return simulate(part, variants, target=target, lang=lang, stop=stop)[0]
    finally:
        part.close()
