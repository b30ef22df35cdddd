"""The public Python API (`import amso`): what the verbs do, for notebooks and scripts. Nothing here writes a store."""

from collection.log_reader import read_log
from config.log_options import LogOptions
from env.registration import register_envs
from loop.evaluate import evaluate_log as evaluate
from loop.loaded_policy import LoadedPolicy, load_policy
from loop.train import train_log as train

__all__ = ["LoadedPolicy", "LogOptions", "evaluate", "load_policy", "read_log", "register_envs", "train"]
