"""Workers: each pod's life over the shared time, with the tasks that it held and those that died with it."""

from rich.text import Text
from textual.app import ComposeResult

from afscope.model.browse import PodLife
from afscope.model.clock import Micros
from afscope.model.timeline import Lane, Span, Step
from afscope.tui import palette
from afscope.tui.desk import Desk
from afscope.tui.gantt import Bar, Gantt
from afscope.tui.grid import Grid
from afscope.tui.harmless import harmless
from afscope.tui.screens.body import Body
from afscope.tui.still import Still
from afscope.tui.times import duration

PHASES = (
    ("place", "created_at", "scheduled_at"),
    ("image", "scheduled_at", "started_at"),
    ("start", "started_at", "consuming_at"),
    ("execute", "consuming_at", "stopping_at"),
    ("drain", "stopping_at", "gone_at"),
)
"""Stages of a pod's life, each from what to what."""


def phases(pod: PodLife, end: Micros) -> list[Span]:
    """The stages that a pod went through; one that never ended lasts to the pod's end, or to that of the capture."""
    over = pod.gone_at or end
    out = []
    for stage, since, until in PHASES:
        start: Micros | None = getattr(pod, since)
        if start is None:
            continue
        later = [at for _, _, name in PHASES[[p[0] for p in PHASES].index(stage) :] if (at := getattr(pod, name))]
        stop = getattr(pod, until) or min(later, default=over)
        if stop >= start:
            out.append(Span(start, stop, stage, ""))
    return out


def held(pod: PodLife, start: Micros) -> Lane:
    """How many tasks the pod held."""
    changes: dict[Micros, int] = {start: 0}
    for task in pod.held:
        changes[task.start] = changes.get(task.start, 0) + 1
        if task.end is not None:
            changes[task.end] = changes.get(task.end, 0) - 1
    level, steps = 0, []
    for at in sorted(changes):
        level += changes[at]
        steps.append(Step(at, float(level)))
    return Lane("held", tuple(steps))


class Workers(Body):
    """One bar per pod."""

    name_ = "workers"
    DEFAULT_CSS = """
    Workers .about { height: auto; max-height: 2; padding: 0 1; text-style: bold; }
    Workers #pod { height: auto; max-height: 4; padding: 0 1; border-top: solid $surface; }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._pods: list[PodLife] = []
        self._about = Still(classes="about", markup=False)
        self._gantt = Gantt(desk.lang, "pods", desk.place)
        self._told = Still(id="pod", markup=False)

    def compose(self) -> ComposeResult:
        """Time, bars, the chosen pod in words."""
        yield self.strip
        yield self._about
        yield self._gantt
        yield self._told

    @property
    def grid(self) -> Grid:
        """The bars."""
        return self._gantt

    def refill(self) -> None:
        """The pods of the target that lived within the range."""
        target = self.target
        self.ask("pods", lambda stop: self.desk.case.look.pods(target, stop), self._listed)

    def _listed(self, pods: list[PodLife]) -> None:
        start, end = self.desk.place.span
        self._pods = [pod for pod in pods if pod.created_at <= end and (pod.gone_at or end) >= start]
        lost = sum(task.lost for pod in self._pods for task in pod.held)
        about = self.word("pods_of", n=len(self._pods), target=harmless(self.target) or "-")
        legend = "  ".join(
            f"{palette.STAGES[s][1] if s != 'execute' else '0-9'} {self.word(f'stage_{s}')}" for s, _, _ in PHASES
        )
        legend += f"  {palette.CRASH} {self.word('crash')}"
        dead = f" · {self.word('lost_tasks', n=lost)}" if lost else ""
        self._about.update(Text.assemble(about, (dead, palette.VERMILLION), (f"   {legend}", "dim")))
        self._gantt.draw([self._bar(pod) for pod in self._pods])
        self._tell()

    def _bar(self, pod: PodLife) -> Bar:
        end = self.desk.place.axis.end
        marks = [(at, palette.CRASH, palette.VERMILLION) for at in pod.crashed_at]
        marks += [(task.end or end, palette.LOST, palette.VERMILLION) for task in pod.held if task.lost]
        about = [pod.name, pod.node, f"{len(pod.held)} tasks", *(task.key for task in pod.held)]
        return Bar(pod.name, phases(pod, end), f"{pod.name}@{pod.created_at}", marks, held(pod, pod.created_at),
                   f"{len(pod.held)}", " ".join(about))  # fmt: skip

    def on_grid_chosen(self, event: Grid.Chosen) -> None:
        """The chosen pod in words; its creation is the time."""
        event.stop()
        self._tell()
        if event.by_user and event.line.at:
            self.desk.place.go(event.line.at)

    @property
    def pod(self) -> PodLife | None:
        """The one under the cursor."""
        line = self._gantt.current
        return self._pods[int(line.key)] if line and self._pods else None

    def moved(self) -> None:
        """What the pod did at the cursor's time."""
        self._gantt.refresh()
        self._tell()

    def _tell(self) -> None:
        pod = self.pod
        if pod is None:
            self._told.update("")
            return
        at = self.desk.place.cursor
        parts = [
            f"{self.word(f'stage_{s.kind}')} {duration(s.end - s.start)}" for s in phases(pod, self.desk.place.axis.end)
        ]
        now = [task.key for task in pod.held if task.start <= at and (task.end is None or task.end >= at)]
        lost = [task.key for task in pod.held if task.lost]
        about = [pod.node or "-", self.word("slots_n", n=pod.slots), self.word("restarts_n", n=pod.restarts)]
        lines = [
            Text.assemble((harmless(pod.name), "bold"), " · ", harmless(" · ".join(about))),
            Text("  ".join(parts)),
            Text(self.word("holds", n=len(now), tasks=harmless(" ".join(now)) or "-")),
        ]
        if lost:
            lines.append(Text(self.word("lost_with_it", tasks=harmless(" ".join(lost))), palette.VERMILLION))
        self._told.update(Text("\n").join(lines))

    def on_grid_opened(self, event: Grid.Opened) -> None:
        """The pod's rows around the cursor's time."""
        event.stop()
        pod = self.pod
        if pod is not None:
            namespace = pod.target.split("/")[0]
            self.evidence("pods", self.desk.place.cursor, f"{namespace}/{pod.name}", "")

    def filtered(self, text: str) -> None:
        """Pods whose name, node or tasks hold a text."""
        self._gantt.draw(self._gantt.bars, text)
