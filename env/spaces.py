"""Gymnasium's spaces of a market, from its encoder and its action set."""

import numpy as np
from gymnasium import Space
from gymnasium.spaces import Box, Discrete

from analysis.features import FeatureEncoder, NumberEncoding, TextEncoding
from domain.actions import ActionSet
from domain.arrays import FloatArray
from env.market import Observation


def observation_space(encoder: FeatureEncoder) -> Space[Observation]:
    """(n_features,) float32, within the range that the encoder's clipping leaves."""
    bounds = [_bounds(e) for e in encoder.encodings]
    low = np.concatenate([b[0] for b in bounds]) if bounds else np.empty(0)
    high = np.concatenate([b[1] for b in bounds]) if bounds else np.empty(0)
    if encoder.interactions:
        left, right = np.array(encoder.interactions, dtype=np.int64).T
        corners = np.stack([a[left] * b[right] for a in (low, high) for b in (low, high)])
        low, high = np.append(low, corners.min(axis=0)), np.append(high, corners.max(axis=0))
    box: Space[Observation] = Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)
    return box


def action_space(actions: ActionSet) -> Discrete:
    """An index into `actions`."""
    return Discrete(len(actions))


def _bounds(encoding: NumberEncoding | TextEncoding) -> tuple[FloatArray, FloatArray]:
    low, high = np.zeros(len(encoding.names)), np.ones(len(encoding.names))
    if isinstance(encoding, NumberEncoding):
        low[0], high[0] = ((np.array([encoding.low, encoding.high]) - encoding.mean) / encoding.scale).tolist()
    return low, high
