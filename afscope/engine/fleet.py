"""Many captures, each analyzed on its own: a map over any `concurrent.futures.Executor`.

Captures are independent, so what a fleet needs is a map and nothing distributed of our own: worker processes of this
machine, or the executor of a scheduler that is already there.
"""

import multiprocessing
import tempfile
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, as_completed
from pathlib import Path

from afscope.engine.catalog import Catalog
from afscope.engine.investigation import Investigation
from afscope.errors import AfscopeError
from afscope.model.finding import Analysis
from afscope.model.fleet import Assessed, Question
from afscope.store.fetch import fetch, is_url, shown
from afscope.store.reader import Capture

Told = tuple[int, Assessed]
"""The index of a place, and what it says."""


def assess(place: str, question: Question) -> Assessed:
    """Analyzes the capture at a path or URL; runs in the worker, and what it returns can be pickled.

    Never raises for a capture that is not what it should be: its reason stands in its place, and the fleet goes on.
    """
    with tempfile.TemporaryDirectory(prefix="afscope-fleet-") as scratch:
        try:
            if is_url(place):
                path = fetch(place, Path(scratch))
                return Assessed(shown(place), _analysis(Capture.open(path, cache=Path(scratch, "cache")), question))
            return Assessed(place, _analysis(Capture.open(place), question))
        except AfscopeError as error:
            return Assessed(_name(place), None, str(error).replace(f"{scratch}/", ""))


def survey_here(places: Sequence[str], question: Question, jobs: int) -> Iterator[Told]:
    """`survey` by `jobs` processes of this machine.

    A process that is killed (out of memory) breaks its whole pool. What it left unanswered is asked again one by one,
    so that only the capture that does it stays without an answer.
    """
    again = []
    with _pool(jobs) as pool:
        for index, answer in survey(places, question, pool):
            if isinstance(answer, Assessed):
                yield index, answer
            else:
                again.append(index)
    for index in sorted(again):
        with _pool(1) as pool:
            yield from ((index, _given_up(places[index], told)) for _, told in survey([places[index]], question, pool))


def survey_there(places: Sequence[str], question: Question, executor: Executor) -> Iterator[Told]:
    """`survey` by the workers of a scheduler, which looks after those that go away by itself."""
    for index, answer in survey(places, question, executor):
        yield index, _given_up(places[index], answer)


def survey(
    places: Sequence[str], question: Question, executor: Executor
) -> Generator[tuple[int, Assessed | BrokenExecutor]]:
    """What each place says, as soon as it is known, with its index in `places`; BrokenExecutor if its worker ended."""
    asked = {executor.submit(assess, place, question): index for index, place in enumerate(places)}
    try:
        for future in as_completed(asked):
            error = future.exception()
            if error is not None and not isinstance(error, BrokenExecutor):
                error = BrokenExecutor(f"{type(error).__name__}: {error}")
            yield asked[future], error or future.result()
    finally:
        for future in asked:
            future.cancel()


def _analysis(capture: Capture, question: Question) -> Analysis:
    case = Investigation(capture, Catalog.load(), lang=question.lang, since=question.since, until=question.until)
    try:
        return case.analysis
    finally:
        case.close()


def _pool(jobs: int) -> ProcessPoolExecutor:
    # a fork would inherit DuckDB's and Arrow's threads in whatever state they are
    return ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))


def _given_up(place: str, answer: Assessed | BrokenExecutor) -> Assessed:
    if isinstance(answer, Assessed):
        return answer
    return Assessed(_name(place), None, f"the process that analyzed it ended: {answer}")


def _name(place: str) -> str:
    return shown(place) if is_url(place) else place
