"""The only place that opens stores and joins rooms."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from config.load import load_settings
from config.settings import Settings
from domain.errors import ConfigError
from domain.ports import Clock, KnowledgeBase, SystemClock
from loop.runs import RunDirectory, start_run

if TYPE_CHECKING:
    from collection.redis_store import RedisWire
    from loop.deciding import Decider
    from loop.queries import Queries
    from tracker.outcomes import OutcomeRules


@dataclass(frozen=True)
class Workspace:
    """What a verb works with: the settings and the stores they name. Redis is opened by the first who needs it."""

    settings: Settings
    knowledge: KnowledgeBase
    clock: Clock = field(default_factory=SystemClock)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def data_dir(self) -> Path:
        return self.settings.data_dir

    @cached_property
    def wire(self) -> "RedisWire":
        """The connection to Redis; nothing connects before the first command."""
        from collection.redis_store import open_wire

        stores = self.settings.stores
        return open_wire(stores.redis, self.data_dir, stores.prefix)

    @cached_property
    def queries(self) -> "Queries":
        """Decision logs that lie in SQL, as files that end with this workspace."""
        from loop.queries import Queries

        return Queries(self.settings.sql_url, self.environ)

    @cached_property
    def decider(self) -> "Decider":
        """Decides under these settings, with the halt latch of this Redis."""
        from collection.halt_store import RedisHaltMirror
        from collection.pseudonym import load_or_make_key
        from loop.deciding import Decider
        from loop.shelf import PolicyShelf

        key = load_or_make_key(self.data_dir, self.environ)
        return Decider(self.settings, key=key, latch=RedisHaltMirror(self.wire), shelf=PolicyShelf(self.data_dir))

    @cached_property
    def outcome_rules(self) -> "OutcomeRules":
        """How outcomes become rewards under these settings."""
        from tracker.exchange import read_exchange_rates
        from tracker.outcomes import outcome_rules

        path = self.settings.business.exchange_rates
        return outcome_rules(self.settings, None if path is None else read_exchange_rates(Path(path)))

    def start_run(self, verb: str, *, seed: int) -> RunDirectory:
        """A fresh run directory that holds the resolved config."""
        config = self.settings.to_data()
        return start_run(self.data_dir, verb, seed=seed, config=config, started_at=self.clock.now())

    def finish_run(self, run: RunDirectory, metrics: Mapping[str, object]) -> None:
        """Writes the metrics beside the run and into the knowledge base."""
        record = run.finish(metrics)
        with self.knowledge.transaction() as books:
            books.runs.add(record)

    def close(self) -> None:
        """Closes what was opened; an embedded Redis of ours ends."""
        if "wire" in self.__dict__:
            self.wire.close()
        if "queries" in self.__dict__:
            self.queries.close()


def open_workspace(
    config: Path | None = None,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    *,
    clock: Clock | None = None,
) -> Workspace:
    """Loads the settings and opens the stores; makes the data dir where there is none.

    `environ` None = the process's own.

    Raises:
        ConfigError: the settings, or a data dir that can be no folder.
        SourceUnavailable: SQL does not answer.
    """
    from knowledge.database import open_knowledge  # SQL takes a second to import; `--help` does without

    environ = os.environ if environ is None else environ
    settings = load_settings(config, overrides, environ)
    _make_folder(settings.data_dir)
    return Workspace(settings, open_knowledge(settings.sql_url), clock or SystemClock(), environ)


def _make_folder(data_dir: Path) -> None:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        said = error.strerror or str(error)
        raise ConfigError(
            f"the data dir {data_dir} is no folder and cannot be made one: {said}",
            "set AMSO_DATA_DIR to a folder that you can write to",
        ) from error
