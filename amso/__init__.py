"""AMSO's public Python API: the functions that the command line's verbs call, loaded when first used.

>>> import amso
>>> read = amso.read_log("offers.parquet")  # doctest: +SKIP
>>> amso.evaluate(read, "constant:discount").verdict  # doctest: +SKIP
<Verdict.PROMOTE: 'promote'>
"""

from importlib import import_module
from typing import TYPE_CHECKING

from amso._rooms import put_rooms_on_path

if TYPE_CHECKING:
    from loop.api import (
        Amso,
        LogOptions,
        diagnose,
        evaluate,
        load_policy,
        open,  # noqa: A004
        read_log,
        register_envs,
        train,
    )

__all__ = ["Amso", "LogOptions", "diagnose", "evaluate", "load_policy", "open", "read_log", "register_envs", "train"]
__version__ = "0.2.0"


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'amso' has no attribute {name!r}; it offers {', '.join(__all__)}")
    put_rooms_on_path()
    return getattr(import_module("loop.api"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
