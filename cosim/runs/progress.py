"""How far a call has come: a callback, or a bar with rate and remaining time."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

Report = Callable[[int, int], None]


def reporter(progress: Report | bool | None, total: int) -> AbstractContextManager[Report]:
    """`progress` itself when it is a callback (done, all), a bar for True, nothing for None or False."""
    if progress is True:
        return _bar(total)
    return nullcontext(progress if callable(progress) else lambda done, _: None)


@contextmanager
def _bar(total: int) -> Iterator[Report]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.finished_speed or task.speed or 0.0:.3g}/s")

    with Progress(TextColumn("simulations"), BarColumn(), MofNCompleteColumn(), Rate(), Remaining()) as bar:
        task = bar.add_task("simulations", total=total)
        yield lambda done, _: bar.update(task, completed=done)
