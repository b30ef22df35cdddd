"""Which column of a source plays which role: our names, a mapping to foreign ones, and what is left out.

Only x_* columns become context. post_* is known only after the decision, other reward_* are other outcomes, and an
unknown column may be either: none of them is context unless a person says so by name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from config.log_options import LogOptions
from domain.errors import MissingColumn, UsageError

NAMES = (
    "decision_id",
    "unit_id",
    "decided_at",
    "action",
    "propensity",
    "reward",
    "eligible",
    "arm",
    "cost",
    "episode_id",
    "step",
    "terminated",
    "truncated",
    "weight",
    "cell",
    "matured",
    "split",
    "decision_point",
)
ALIASES = {"time": "decided_at"}
PREFIXES = ("reward_", "next_x_", "x_", "p_")
AFTERWARDS = ("post_", "reward_", "next_x_")  # known only after acting
AS_TEXT = ("action", "decision_id", "unit_id", "cell", "split", "decision_point", "episode_id", "eligible")


@dataclass(frozen=True)
class LogColumns:
    """Our names to the source's. Prefixed groups are named without their prefix."""

    named: Mapping[str, str]
    reward: str  # the source's name
    context: Mapping[str, str]
    next_context: Mapping[str, str]
    logged: Mapping[str, str]  # action -> its p_* column
    ignored: tuple[str, ...]
    not_negative: frozenset[str] = frozenset()  # of the context, by our names


def text_columns(options: LogOptions) -> tuple[str, ...]:
    """The source's columns that must be read as written."""
    names = (*AS_TEXT, "decided_at", "time")
    return tuple(options.columns.get(name, name) for name in names)


def resolve_columns(found: Sequence[str], options: LogOptions) -> LogColumns:
    """Finds every role's column.

    Raises:
        MissingColumn: no action, no reward, or a column that the options name.
        UsageError: several rewards and no choice; an unknown name on the left of `columns`.
    """
    ours = _our_names(found, options)
    if "action" not in ours:
        raise MissingColumn(
            f"the log has no column `action`; found {_listing(found)}",
            "name the column that says what was chosen: --action COLUMN (or `columns: {action: COLUMN}`)",
        )
    reward = _reward(ours, found, options)
    context = _context(ours, found, options)
    named = {name: ours[name] for name in NAMES if name in ours and name != "reward"}
    used = {*named.values(), reward, *context.values()}
    next_context = {name: ours[f"next_x_{name}"] for name in context if f"next_x_{name}" in ours}
    logged = {name[2:]: theirs for name, theirs in ours.items() if name.startswith("p_") and theirs not in used}
    used |= {*next_context.values(), *logged.values()}
    prefixes = (*options.probability_prefixes, *((options.prediction_prefix,) if options.prediction_prefix else ()))
    ignored = [name for name in found if name not in used and not (prefixes and name.startswith(prefixes))]
    return LogColumns(named, reward, context, next_context, logged, tuple(ignored), _not_negative(context, options))


def _our_names(found: Sequence[str], options: LogOptions) -> dict[str, str]:
    """Ours -> theirs: what the mapping says, then columns that carry our names already."""
    for name, theirs in options.columns.items():
        _check_known(name)
        if theirs not in found:
            close = get_close_matches(theirs, found, 1)
            raise MissingColumn(
                f"`columns` maps {name} to {theirs!r}, but the log has {_listing(found)}",
                f"did you mean {close[0]!r}?" if close else "correct the mapping",
            )
    ours = {ALIASES.get(name, name): theirs for name, theirs in options.columns.items()}
    taken = set(ours.values())
    for name in sorted(found, key=lambda name: name in ALIASES):  # decided_at before its alias
        known = ALIASES.get(name, name)
        if name not in taken and known not in ours and (known in NAMES or known.startswith(PREFIXES)):
            ours[known] = name
    return ours


def _check_known(name: str) -> None:
    if name in NAMES or name in ALIASES or any(name.startswith(p) and name != p for p in PREFIXES):
        return
    close = get_close_matches(name, [*NAMES, *ALIASES], 1)
    raise UsageError(
        f"`columns` maps {name!r}, which is no column of a decision log",
        f"did you mean {close[0]!r}?" if close else f"known are {', '.join(NAMES)}, x_NAME, reward_NAME, p_ACTION",
    )


def _reward(ours: Mapping[str, str], found: Sequence[str], options: LogOptions) -> str:
    """The source's column of the chosen reward."""
    if options.reward is not None:
        for name in (options.reward, f"reward_{options.reward}"):
            if name in ours and (name == "reward" or name.startswith("reward_")):
                return ours[name]
        if options.reward in found:
            return options.reward
        raise MissingColumn(
            f"the log has no reward column {options.reward!r}; found {_listing(found)}",
            "choose one of its columns with --reward",
        )
    if "reward" in ours:
        return ours["reward"]
    rewards = sorted(name for name in ours if name.startswith("reward_"))
    if not rewards:
        raise MissingColumn(
            f"the log has no column `reward` or `reward_*`; found {_listing(found)}",
            "name the column that says what came of it: --reward COLUMN (or `columns: {reward: COLUMN}`)",
        )
    if len(rewards) > 1:
        raise UsageError(f"the log has {len(rewards)} rewards: {', '.join(rewards)}", "choose one with --reward NAME")
    return ours[rewards[0]]


def _context(ours: Mapping[str, str], found: Sequence[str], options: LogOptions) -> dict[str, str]:
    every = {name[2:]: theirs for name, theirs in sorted(ours.items()) if name.startswith("x_")}
    if options.context is None:
        return every
    return {_bare(name): _context_column(_bare(name), every, ours, found) for name in options.context}


def _not_negative(context: Mapping[str, str], options: LogOptions) -> frozenset[str]:
    names = frozenset(_bare(name) for name in options.not_negative)
    if lacking := sorted(names - set(context)):
        raise MissingColumn(
            f"`not_negative` names {_listing(lacking)}; the context has {_listing(sorted(context))}",
            "correct `not_negative`, or add the column",
        )
    return names


def _bare(name: str) -> str:
    return name.removeprefix("x_")


def _context_column(name: str, every: Mapping[str, str], ours: Mapping[str, str], found: Sequence[str]) -> str:
    if name in every:
        return every[name]
    if name not in found:
        raise MissingColumn(
            f"the log has no context column x_{name}; found {_listing(sorted(f'x_{c}' for c in every))}",
            "correct `context`, or add the column",
        )
    if name.startswith(AFTERWARDS) or ours.get("action") == name or ours.get("reward") == name:
        raise UsageError(
            f"{name!r} cannot be context: it is not known before the decision",
            "use columns that the product knows when it asks",
        )
    return name


def _listing(names: Sequence[str]) -> str:
    shown = ", ".join(names[:30])
    return (shown + (f" and {len(names) - 30} more" if len(names) > 30 else "")) or "no column at all"
