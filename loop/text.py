"""Words and tables for terminals. Values that a diagnostic forbids never appear without `not trusted`."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from domain.estimates import Comparison, PolicyValueEstimate, Verdict
from domain.log import LogRead

WIDTH = 120  # characters, where output goes to no terminal

WORDS = {
    Verdict.PROMOTE: "promote: provably better",
    Verdict.HOLD: "hold: not provably different",
    Verdict.REJECT: "reject: provably worse",
    Verdict.CANNOT_TELL: "cannot tell: this log does not carry the question",
}

Reporter = Callable[[float, str], None]  # share done 0..1, what is being done


def console() -> Console:
    """Where human text goes: stdout, at the terminal's width; wide enough for the tables where there is none.

    Names from a log are shown as they are: `[b]` is no markup, `:b:` no emoji.
    """
    width = None if sys.stdout.isatty() else WIDTH
    return Console(file=sys.stdout, highlight=False, markup=False, emoji=False, width=width)


@contextmanager
def progress_bar(title: str) -> Iterator["Reporter"]:
    """A bar with ETA on stderr while the block runs; gone when it ends, silent where stderr is no terminal."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(title, total=1.0)

        def report(share: float, doing: str) -> None:
            progress.update(task, completed=share, description=f"{title}: {doing}")

        yield report


def number(value: float | None) -> str:
    """Four significant digits, or all before the point; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def interval(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"[{number(low)}, {number(high)}]"


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]], *, n_text: int = 1) -> Table:
    """A plain table; the first `n_text` columns are text, the others are right-aligned."""
    drawn = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for i, name in enumerate(header):
        drawn.add_column(
            name, justify="left" if i < n_text else "right", overflow="fold", no_wrap=i == 0 or i >= n_text
        )
    for row in rows:
        drawn.add_row(*row)
    return drawn


def log_lines(read: LogRead) -> list[str]:
    """How the log was read, in one to three lines."""
    lines = [f"log {read.source}: {read.n_rows:,} rows, {read.n_used:,} used, reward {read.log.reward_name}"]
    if read.rejected:
        lines.append("  rejected: " + ", ".join(f"{n:,} × {reason}" for reason, n in read.rejected.items()))
    return lines + [f"  {note}" for note in read.notes]


def estimates_table(estimates: Sequence[PolicyValueEstimate]) -> Table:
    rows = [
        (
            e.policy,
            e.estimator,
            number(e.value) + ("" if e.trusted else " not trusted"),
            interval(e.low, e.high),
            f"{e.ess:,.0f}",
        )
        for e in estimates
    ]
    return table("Estimates (95 % intervals)", ("policy", "estimator", "value", "interval", "ESS"), rows)


def comparison_line(comparison: Comparison) -> str:
    if comparison.difference is None:
        return f"{comparison.candidate} − {comparison.baseline}: no trustworthy number"
    found = f"{number(comparison.difference)} {interval(comparison.low, comparison.high)}"
    return f"{comparison.candidate} − {comparison.baseline}: {found}"
