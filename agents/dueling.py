"""The dueling network: what a customer is worth, and what each action adds to it, are learned apart.

    Q(s, a) = V(s) + A(s, a) - mean over b of A(s, b)          (Wang et al. 2016, eq. 9)

Where actions differ by little of a large value, every transition teaches V, and A need not carry it five times over.
Both heads are linear in the last hidden layer, so what is delivered is one linear layer.
"""

import torch
from stable_baselines3.dqn.policies import DQNPolicy, QNetwork
from torch import nn


class DuelingHead(nn.Module):
    """From the last hidden layer to one score an action."""

    def __init__(self, n_features: int, n_actions: int) -> None:
        super().__init__()
        self.value = nn.Linear(n_features, 1)
        self.advantage = nn.Linear(n_features, n_actions)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(n, n_actions) from (n, n_features)."""
        advantage: torch.Tensor = self.advantage(features)
        value: torch.Tensor = self.value(features)
        return value + advantage - advantage.mean(dim=1, keepdim=True)

    def merged(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Weight and bias of the one linear layer that gives the same scores."""
        value, advantage = self.value, self.advantage
        weight = value.weight + advantage.weight - advantage.weight.mean(dim=0, keepdim=True)
        return weight, value.bias + advantage.bias - advantage.bias.mean()


class DuelingPolicy(DQNPolicy):
    """stable-baselines3's, with a dueling head on its network."""

    def make_q_net(self) -> QNetwork:
        """SB3 calls it for the online and for the target network."""
        network = super().make_q_net()
        last = network.q_net[-1]
        assert isinstance(last, nn.Linear)
        network.q_net[-1] = DuelingHead(last.in_features, last.out_features)
        return network


def head_of(network: QNetwork) -> DuelingHead:
    """The head of a network that `DuelingPolicy` made."""
    head = network.q_net[-1]
    assert isinstance(head, DuelingHead)
    return head
