"""An investigation in a process of its own, for a screen that must answer keys meanwhile.

Turning a million rows into objects holds Python's lock for seconds; here it holds that of another process. It also ends
at once when it is called off, and its memory goes with it. Requests and answers are pickled tuples on its stdin and
stdout; both ends are this module.
"""

import contextlib
import importlib
import os
import pickle
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from afscope import errors
from afscope.engine.investigation import Investigation
from afscope.engine.look import Stretch
from afscope.errors import AfscopeError, QueryError
from afscope.model.browse import Answer
from afscope.model.finding import Analysis
from afscope.model.stop import Stop
from afscope.model.timeline import Chart

_LOOK_S = 0.05
_ANSWER_S = 60.0
"""A newer analysis takes the place of an older one, of which a simulation may still be under way."""
_BEHIND = 5
"""Niceness: the screen and the recorder go first."""


class Apart:
    """The proxy: conclusions are here, what is asked of facts goes to the process. Any thread may ask."""

    def __init__(self, path: Path, lang: str, targets: Sequence[str], stop: Stop) -> None:
        """Analyzes. Raises what Investigation.open raises, and QueryError when `stop` calls it off."""
        command = [sys.executable, "-c", "from afscope.engine.apart import serve; serve()"]
        self._process = subprocess.Popen(  # noqa: S603  (ourselves)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._lock = threading.Lock()
        try:
            with stop.by(self._process.kill):
                told = self._ask("open", (str(path), lang, tuple(targets)))
        except BaseException:
            self.close()
            raise
        self.analysis: Analysis = told[0]
        self.charts: tuple[Chart, ...] = told[1]
        self.queues: dict[str, list[str]] = told[2]
        self._titles: dict[str, str] = told[3]

    def close(self) -> None:
        """Ends the process; an answer that somebody waits for comes first, but not for ever."""
        if self._lock.acquire(timeout=_ANSWER_S):
            self._lock.release()
        self._process.kill()
        with self._lock:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
        self._process.wait()

    def cause_title(self, cause: str) -> str:
        """A cause in a few words."""
        return self._titles.get(cause, cause.replace("_", " "))

    def facts(self, name: str, params: Mapping[str, Any], stop: Stop | None) -> list[dict[str, Any]]:
        """The rows of a view over facts."""
        found: list[dict[str, Any]] = self._ask("facts", (name, dict(params)), stop)
        return found

    def query(self, sql: str, span: Stretch | None = None, stop: Stop | None = None) -> Answer:
        """A query of the user over capture and facts."""
        found: Answer = self._ask("query", (sql, span), stop)
        return found

    def export(self, sql: str, out: Path, span: Stretch | None = None, stop: Stop | None = None) -> int:
        """Its whole result, to a file."""
        return int(self._ask("export", (sql, out, span), stop))

    def call(self, module: str, function: str, given: tuple[Any, ...], stop: Stop) -> Any:
        """What a function of a module of ours says of the analysis, in its process: it gets the investigation, what
        is given, and a Stop. Raises what it raises, as far as that is ours.
        """
        return self._ask("call", (module, function, given), stop)

    def _ask(self, what: str, given: tuple[Any, ...], stop: Stop | None = None) -> Any:
        into, out = self._process.stdin, self._process.stdout
        with self._lock:
            if into is None or out is None or into.closed:
                raise QueryError("called off")
            try:
                _put(into, (what, given))
                told = False
                while stop is not None and not select.select([out], [], [], _LOOK_S)[0]:
                    if stop.asked and not told:
                        told = True
                        _put(into, ("stop", ()))
                good, answer = pickle.load(out)  # noqa: S301  (our own process)
            except (EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
                raise QueryError("called off") from error
        if good:
            return answer
        name, message, hint = answer
        raise getattr(errors, name, QueryError)(message, hint)


def serve() -> None:
    """The process: one request at a time, and "stop" for the one that is being answered. Ends with its stdin."""
    into, out = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not come between the answers
    os.nice(_BEHIND)
    server = _Server(out)
    while True:
        try:
            what, given = pickle.load(into)  # noqa: S301  (our parent)
        except (EOFError, pickle.UnpicklingError):
            os._exit(0)
        if what == "stop":
            server.stop.now()
        else:
            server.stop = Stop()
            threading.Thread(target=server.answer, args=(what, given), daemon=True).start()


class _Server:
    def __init__(self, out: BinaryIO) -> None:
        self._out, self.stop = out, Stop()
        self._case: Investigation | None = None

    def answer(self, what: str, given: tuple[Any, ...]) -> None:
        try:
            found = (True, self._open(*given) if what == "open" else self._look(what, given, self.stop))
        except AfscopeError as error:
            found = (False, (type(error).__name__, error.what, error.hint))
        except Exception as error:
            found = (False, ("AnalyzerError", f"{type(error).__name__}: {error}", ""))
        _put(self._out, found)

    def _open(self, path: str, lang: str, targets: tuple[str, ...]) -> tuple[Any, ...]:
        case = self._case = Investigation.open(Path(path), lang=lang, targets=targets)
        causes = {span.kind for chart in case.charts for span in chart.constraint}
        return case.analysis, case.charts, queues(case), {cause: case.cause_title(cause) for cause in causes}

    def _look(self, what: str, given: tuple[Any, ...], stop: Stop) -> Any:
        if self._case is None:
            raise QueryError("there is no analysis yet")
        if what == "call":
            module, function, rest = given
            return getattr(importlib.import_module(module), function)(self._case, *rest, stop)
        look = self._case.look
        answers: dict[str, Callable[..., Any]] = {"facts": look.facts, "query": look.query, "export": look.export}
        asked = answers[what]
        return asked(*given, stop=stop)


def queues(case: Investigation) -> dict[str, list[str]]:
    """The queues of each target, where no other target has tasks in them."""
    rows = case.session.run(
        """WITH used AS (SELECT DISTINCT s.target, a.queue FROM assignments s
            JOIN attempts a USING (dag_id, run_id, task_id, map_index, attempt) WHERE a.queue IS NOT NULL)
        SELECT target, list(queue), max((SELECT count(*) FROM used o WHERE o.queue = used.queue))
        FROM used GROUP BY target"""
    ).rows
    return {target: names for target, names, sharers in rows if sharers == 1}


def _put(pipe: Any, message: tuple[Any, ...]) -> None:
    pipe.write(pickle.dumps(message))
    pipe.flush()
