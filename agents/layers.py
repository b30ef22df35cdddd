"""A torch network of linear layers with ReLU between them, as a policy in NumPy takes it."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from agents.dueling import DuelingHead
from domain.arrays import FloatArray
from policies.network import Layer


def layers_of(modules: Iterable[nn.Module]) -> tuple[Layer, ...]:
    """The linear ones among `modules`, in order; a dueling head is one."""
    linear = [m for m in modules if isinstance(m, nn.Linear | DuelingHead)]
    return tuple(_layer(*(m.merged() if isinstance(m, DuelingHead) else (m.weight, m.bias))) for m in linear)


def _layer(weight: torch.Tensor, bias: torch.Tensor) -> Layer:
    return Layer(_array(weight).T, _array(bias))


def _array(tensor: torch.Tensor) -> FloatArray:
    return tensor.detach().numpy().astype(np.float64)
