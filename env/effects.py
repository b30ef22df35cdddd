"""Which features the market's regressions see: the encoder's, every level of a column of few levels, perhaps products.

Observations stay as the policies read them; the regressions are linear, so what a network would bend by itself (a price
above the reference hurts more than one below pleases, and some plans more than others) is spelled out here.
"""

from dataclasses import replace
from itertools import combinations

import numpy as np

from analysis.features import FeatureEncoder, NumberEncoding, TextEncoding
from domain.arrays import IntArray
from env.layout import LevelColumn, StateLayout


def effects_encoder(encoder: FeatureEncoder, layout: StateLayout, *, max_features: int) -> FeatureEncoder:
    """`encoder` with one-hot levels wherever `layout` keeps levels, then products, unless they are too many."""
    levels = {c.name: c.levels for c in layout.columns if isinstance(c, LevelColumn) and c.levels.dtype != object}
    encodings = tuple(
        replace(e, levels=tuple(np.sort(levels[e.column][~np.isnan(levels[e.column])]).tolist()[1:]))
        if isinstance(e, NumberEncoding) and e.column in levels and not e.levels
        else e
        for e in encoder.encodings
    )
    richer = FeatureEncoder(encodings, _products(encodings))
    return richer if richer.n_features <= max_features else FeatureEncoder(encodings)


def without_products(encoder: FeatureEncoder) -> FeatureEncoder:
    """Its features come first in those of `encoder`."""
    return FeatureEncoder(encoder.encodings)


def feature_sources(encoder: FeatureEncoder) -> IntArray:
    """(n_features,) one number for features that are alike: a column's number, its levels, products of two columns."""
    kinds = [(e.column, _is_level(e, i)) for e in encoder.encodings for i in range(len(e.names))]
    pairs = [(kinds[i][0], kinds[j][0]) for i, j in encoder.interactions]
    place = {kind: n for n, kind in enumerate(dict.fromkeys([*kinds, *pairs]))}
    return np.array([place[kind] for kind in (*kinds, *pairs)], dtype=np.int64)


def _is_level(encoding: NumberEncoding | TextEncoding, feature: int) -> bool:
    return isinstance(encoding, TextEncoding) or feature >= 2


def _products(encodings: tuple[NumberEncoding | TextEncoding, ...]) -> tuple[tuple[int, int], ...]:
    """Pairs of feature indices from different columns: numbers as numbers, text by its levels."""
    places, start = [], 0
    for e in encodings:
        width = len(e.levels) if isinstance(e, TextEncoding) else 1
        places.append(range(start, start + width))
        start += len(e.names)
    return tuple((i, j) for one, other in combinations(places, 2) for i in one for j in other)
