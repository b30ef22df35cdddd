"""All that a DQN agent and its market are at the end of a period, as arrays and JSON, and back: never a pickle.

Networks, Adam's moments, the replay ring, the market's customers and every generator. Real transitions are not kept:
they are read again from the log, which the checkpoint's identity names.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from agents.checkpoint import Checkpoint
from agents.dqn import MarketDQN
from agents.replay import MaskedReplayBuffer, RealTransitions
from config.dqn import DqnConfig
from env.market import CoreState, Dynamics

NETWORKS = ("q_net", "q_net_target", "average_net")
COUNTERS = ("num_timesteps", "_n_calls", "_n_updates", "_episode_num", "reward_scale")
N_PROBES = 256  # customers whose first period tells one market from another


def agent_state(agent: MarketDQN, facts: Mapping[str, Any]) -> Checkpoint:
    """The agent as it stands between two periods; `facts` (JSON) are kept beside its own."""
    core = agent.market.core.snapshot()
    arrays = {
        **dict(_networks(agent)),
        **dict(_moments(agent)),
        **dict(_ring(agent)),
        "market.state": core.state,
        "market.age": core.age,
        "observation": np.asarray(agent._last_obs),
        "torch_rng": torch.get_rng_state().numpy(),
    }
    buffer = _buffer(agent)
    own = {
        "counters": {name: _number(getattr(agent, name)) for name in COUNTERS},
        "replay": {"pos": buffer.pos, "full": buffer.full},
        "agent_rng": agent.rng.bit_generator.state,
        "market_rng": core.rng_state,
    }
    return Checkpoint(arrays, {**facts, "agent": own})


def restore_agent(agent: MarketDQN, checkpoint: Checkpoint) -> None:
    """Makes a fresh agent of the same config and market the one that was kept."""
    arrays, own = checkpoint.arrays, checkpoint.facts["agent"]
    for name in NETWORKS:
        getattr(agent, name).load_state_dict(_tensors(arrays, f"{name}."))
    _restore_moments(agent, arrays)
    _restore_ring(agent, arrays, own["replay"])
    agent.market.core.restore(CoreState(arrays["market.state"], arrays["market.age"], own["market_rng"]))
    agent._last_obs = arrays["observation"]
    agent._last_episode_starts = np.zeros(len(arrays["observation"]), dtype=np.bool_)
    torch.set_rng_state(torch.from_numpy(arrays["torch_rng"]))
    agent.rng.bit_generator.state = own["agent_rng"]
    for name in COUNTERS:
        setattr(agent, name, own["counters"][name])


def identity_of(
    dynamics: Dynamics, config: DqnConfig, *, discount: float, seed: int, real: RealTransitions | None
) -> dict[str, str]:
    """What must be the same for a training to go on as if nothing had stopped it, in words."""
    return {
        "seed": str(seed),
        "discount": str(discount),
        **{f"config {name}": str(value) for name, value in asdict(config).items()},
        "market": _fingerprint(dynamics),
        "real transitions": "none" if real is None else _hash_of([t.numpy() for t in real.transitions], real.edges),
        **{f"{package} version": version(package) for package in ("numpy", "torch", "stable-baselines3")},
    }


def _fingerprint(dynamics: Dynamics) -> str:
    """A market is known by what it does: the first period of some customers, every action among them."""
    rng = np.random.default_rng(0)
    state = dynamics.initial(N_PROBES, rng)
    shown, supported = dynamics.observe(state), dynamics.supported(state)
    moved = dynamics.advance(state.copy(), np.arange(N_PROBES) % len(dynamics.actions), rng)
    return _hash_of([state, shown, supported], moved.reward, moved.terminated, dynamics.observe(moved.next_state))


def _hash_of(first: list[NDArray[Any]], *others: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for values in (*first, *others):
        digest.update(np.asarray(values, order="C").tobytes())
    return digest.hexdigest()[:16]


def _number(value: Any) -> Any:  # noqa: ANN401 # a number of Python or NumPy, or None
    return value.item() if isinstance(value, np.generic) else value


def _networks(agent: MarketDQN) -> Iterator[tuple[str, NDArray[Any]]]:
    for name in NETWORKS:
        net: nn.Module = getattr(agent, name)
        for key, tensor in net.state_dict().items():
            yield f"{name}.{key}", tensor.numpy()


def _moments(agent: MarketDQN) -> Iterator[tuple[str, NDArray[Any]]]:
    for place, moments in agent.policy.optimizer.state_dict()["state"].items():
        for key, tensor in moments.items():
            yield f"optimizer.{place}.{key}", tensor.numpy()


def _restore_moments(agent: MarketDQN, arrays: Mapping[str, NDArray[Any]]) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in _tensors(arrays, "optimizer.").items():
        place, _, key = name.partition(".")
        state.setdefault(int(place), {})[key] = tensor
    groups = agent.policy.optimizer.state_dict()["param_groups"]
    agent.policy.optimizer.load_state_dict({"state": state, "param_groups": groups})


def _ring(agent: MarketDQN) -> Iterator[tuple[str, NDArray[Any]]]:
    """Every array of the buffer, as far as it is filled."""
    buffer = _buffer(agent)
    n_filled = buffer.buffer_size if buffer.full else buffer.pos
    for name, values in vars(buffer).items():
        if isinstance(values, np.ndarray):
            yield f"replay.{name}", values[:n_filled]


def _restore_ring(agent: MarketDQN, arrays: Mapping[str, NDArray[Any]], where: Mapping[str, Any]) -> None:
    buffer = _buffer(agent)
    for name, values in vars(buffer).items():
        if isinstance(values, np.ndarray):
            kept = arrays[f"replay.{name}"]
            values[: len(kept)] = kept
    buffer.pos, buffer.full = where["pos"], where["full"]


def _tensors(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): torch.from_numpy(values.copy())
        for name, values in arrays.items()
        if name.startswith(prefix)
    }


def _buffer(agent: MarketDQN) -> MaskedReplayBuffer:
    assert isinstance(agent.replay_buffer, MaskedReplayBuffer)
    return agent.replay_buffer
