"""The public Python API (`import amso`): what the verbs do, for notebooks, scripts and product code.

Only what `open` returns writes to a store.
"""

from collection.log_reader import read_log
from config.log_options import LogOptions
from env.registration import register_envs
from loop.diagnose import diagnose_log as diagnose
from loop.evaluate import evaluate_log as evaluate
from loop.loaded_policy import LoadedPolicy, load_policy
from loop.opened import Amso
from loop.opened import open_amso as open  # noqa: A004 # amso.open, as gzip.open
from loop.train import train_log as train

__all__ = [
    "Amso",
    "LoadedPolicy",
    "LogOptions",
    "diagnose",
    "evaluate",
    "load_policy",
    "open",
    "read_log",
    "register_envs",
    "train",
]
