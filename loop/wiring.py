"""The only place that opens stores and joins rooms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from config.load import load_settings
from config.settings import Settings
from domain.ports import Clock, KnowledgeBase, SystemClock
from loop.runs import RunDirectory, start_run


@dataclass(frozen=True)
class Workspace:
    """What a verb works with: the settings and the stores they name."""

    settings: Settings
    knowledge: KnowledgeBase
    clock: Clock = field(default_factory=SystemClock)

    @property
    def data_dir(self) -> Path:
        return self.settings.data_dir

    def start_run(self, verb: str, *, seed: int) -> RunDirectory:
        """A fresh run directory that holds the resolved config."""
        config = self.settings.to_data()
        return start_run(self.data_dir, verb, seed=seed, config=config, started_at=self.clock.now())

    def finish_run(self, run: RunDirectory, metrics: Mapping[str, object]) -> None:
        """Writes the metrics beside the run and into the knowledge base."""
        record = run.finish(metrics)
        with self.knowledge.transaction() as books:
            books.runs.add(record)


def open_workspace(
    config: Path | None = None, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None
) -> Workspace:
    """Loads the settings and opens the stores; makes the data dir where there is none.

    `environ` None = the process's own.
    """
    from knowledge.database import open_knowledge  # SQL takes a second to import; `--help` does without

    settings = load_settings(config, overrides, environ)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return Workspace(settings, open_knowledge(settings.sql_url))
