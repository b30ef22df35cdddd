"""Data frames of the Python API as contexts: for asking a policy, without a log around it."""

import pandas as pd

from collection.values import context_column
from domain.context import Context


def context_of_frame(frame: pd.DataFrame) -> Context:
    """The columns named `x_*`, without the prefix; all columns where none is named so.

    >>> context_of_frame(pd.DataFrame({"x_age": [30, 41], "action": ["a", "b"]})).columns
    {'age': array([30., 41.])}
    """
    names = [str(name) for name in frame.columns]
    prefixed = [name for name in names if name.startswith("x_")] or names
    columns = {name.removeprefix("x_"): context_column(frame[name]) for name in prefixed}
    return Context(columns, len(frame))
