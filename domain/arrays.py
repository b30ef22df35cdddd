"""Names for the arrays that travel between rooms; shapes stand at the field that holds them."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
TextArray = NDArray[np.object_]  # of str, None where missing
TimeArray = NDArray[np.datetime64]  # UTC
Column = FloatArray | TextArray  # numbers (NaN where missing) or text (None where missing)
