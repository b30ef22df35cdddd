"""A torch network of linear layers with ReLU between them, as a policy in NumPy takes it."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from domain.arrays import FloatArray
from policies.network import Layer


def layers_of(modules: Iterable[nn.Module]) -> tuple[Layer, ...]:
    """The linear ones among `modules`, in order."""
    linear = [module for module in modules if isinstance(module, nn.Linear)]
    return tuple(Layer(_array(module.weight).T, _array(module.bias)) for module in linear)


def _array(tensor: torch.Tensor) -> FloatArray:
    return tensor.detach().numpy().astype(np.float64)
