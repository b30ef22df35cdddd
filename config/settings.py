"""The whole config file: what a person fills in, section by section (DESIGN section 5)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from config.business import Business, Stores, Units
from config.contradictions import contradictions
from config.decision_points import DecisionPoint, Mode
from config.effects import Effect
from config.in_force import missing_for_gated, not_in_force
from config.known_keys import suggest
from config.learning import Learning
from config.limits import Calendar, Exploration, Guardrail, Holdout, Limits
from config.log_options import LogOptions
from config.objective import Costs, ObjectiveSettings, Price
from config.overrides import without_password
from config.people import Approvals, Notify, Person
from config.privacy import Privacy
from config.section import Section
from config.sources import FileSource, Source, SqlSource, is_log_file, is_log_query
from config.training import Training
from domain.actions import Action
from domain.errors import ConfigError

MAIN = "main"
SQL_FILE = "amso.db"


class Settings(Section):
    """Everything a config file may say; without one, a single decision point `main`.

    >>> Settings().decision_point(None).mode
    <Mode.LOG: 'log'>
    """

    version: Literal[1] = 1
    business: Business = Business()
    stores: Stores = Stores()
    sources: Mapping[str, Source] = Field(default_factory=dict)
    units: Units = Units()
    decision_points: Mapping[str, DecisionPoint] = Field(default_factory=lambda: {MAIN: DecisionPoint()}, min_length=1)
    prices: Mapping[str, Price] = Field(default_factory=dict)
    objective: ObjectiveSettings = ObjectiveSettings()
    costs: Costs = Costs()
    guardrails: Mapping[str, Guardrail] = Field(default_factory=dict)
    limits: Limits = Limits()
    holdout: Holdout | None = None
    exploration: Exploration | None = None
    learning: Learning = Learning()
    training: Training = Training()
    calendar: Calendar = Calendar()
    people: Mapping[str, Person] = Field(default_factory=dict)
    approvals: Approvals = Approvals()
    notify: Notify = Notify()
    privacy: Privacy = Privacy()
    effects: Mapping[str, Effect] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_refer_to_something(self) -> Self:
        problems = contradictions(self)
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def data_dir(self) -> Path:
        return Path(self.stores.data_dir)

    @property
    def sql_url(self) -> str:
        """SQLite in the data dir unless the file or the environment says otherwise."""
        return self.stores.sql or f"sqlite:///{self.data_dir / SQL_FILE}"

    def decision_point_name(self, name: str | None) -> str:
        """`name`, or the only one.

        Raises:
            ConfigError: no such decision point, or several and none named.
        """
        known = ", ".join(self.decision_points)
        if name is None and len(self.decision_points) == 1:
            return next(iter(self.decision_points))
        if name is None:
            raise ConfigError(f"there are several decision points: {known}", "say which: --decision-point NAME")
        if name not in self.decision_points:
            hint = suggest(name, self.decision_points).removeprefix("; ")
            raise ConfigError(f"unknown decision point {name!r}; the config has {known}", hint)
        return name

    def decision_point(self, name: str | None) -> DecisionPoint:
        """One decision point; see `decision_point_name`."""
        return self.decision_points[self.decision_point_name(name)]

    def actions(self, decision_point: str | None) -> tuple[Action, ...]:
        """The catalogue of a decision point; empty where the log alone says what the actions are."""
        point = self.decision_point(decision_point)
        return tuple(action.to_domain(action_id) for action_id, action in point.actions.items())

    def baseline(self, decision_point: str | None) -> str | None:
        """The configured baseline action."""
        return self.decision_point(decision_point).baseline

    def log_source(self, decision_point: str | None, path: Path | None = None) -> tuple[Path | None, LogOptions]:
        """The file that holds the decision log, and how to read it; (None, defaults) where nothing names one.

        Args:
            decision_point: whose decisions; None = the only one's.
            path: a file that somebody names; the config's options count where it speaks of that very file.

        Raises:
            ConfigError: the named decision point does not exist, or several logs could be meant.
        """
        if decision_point is not None:
            self.decision_point_name(decision_point)
        logs = [(name, s) for name, s in self.sources.items() if isinstance(s, FileSource) and is_log_file(s)]
        found = [(n, s) for n, s in logs if s.decision_point in (None, decision_point or s.decision_point)]
        if path is not None:
            found = [(n, s) for n, s in found if Path(s.path).resolve() == path.resolve()]
        if len(found) > 1:
            names = ", ".join(name for name, _ in found)
            raise ConfigError(f"several decision logs could be meant: {names}", "say which with --log FILE")
        if not found:
            return path, LogOptions()
        _, source = found[0]
        return Path(source.path), self._log_options(source, decision_point)

    def log_query(
        self, decision_point: str | None, name: str | None = None
    ) -> tuple[str, SqlSource, LogOptions] | None:
        """The `sql` source that holds the decision log: the one of this name; without a name the only log there is."""
        queries = {n: s for n, s in self.sources.items() if is_log_query(s)}
        if name is None:
            asked = (None, decision_point)
            queries = {n: s for n, s in queries.items() if decision_point is None or s.decision_point in asked}
            if len(queries) != 1 or any(is_log_file(s) for s in self.sources.values()):
                return None
            name = next(iter(queries))
        if name not in queries:
            return None
        return name, queries[name], self._log_options(queries[name], decision_point)

    def not_in_force(self) -> tuple[str, ...]:
        """What the file says and nothing enforces yet."""
        return not_in_force(self)

    def refuse_unenforced_modes(self) -> None:
        """For whatever serves decisions.

        Raises:
            ConfigError: a decision point is `gated` while what should gate it is not in force.
        """
        gated = [name for name, point in self.decision_points.items() if point.mode is Mode.GATED]
        missing = missing_for_gated(self)
        if gated and missing:
            raise ConfigError(
                f"{', '.join(gated)}: mode `gated` is refused while {', '.join(missing)} would not be kept",
                "leave these limits out, or use mode shadow until a later version enforces them",
            )

    def to_data(self) -> dict[str, object]:
        """JSON-able, for the run record; loads again to the same settings, without passwords."""
        data: dict[str, object] = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        stores = data.get("stores")
        if isinstance(stores, dict):
            data["stores"] = {key: without_password(str(value)) for key, value in stores.items()}
        return data

    def _log_options(self, source: FileSource | SqlSource, decision_point: str | None) -> LogOptions:
        name = decision_point or source.decision_point
        if name is None and len(self.decision_points) == 1:
            name = next(iter(self.decision_points))
        configured = () if name is None else self.decision_points[name].context
        return LogOptions(
            columns=source.columns,
            reward=source.reward,
            context=source.context or configured or None,
            exclude_actions=source.exclude_actions,
            not_negative=source.not_negative,
            decision_point=decision_point,
        )
