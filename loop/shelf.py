"""Policies by version, each loaded once a process; loading checks the hash of every byte."""

from pathlib import Path

from domain.actions import ActionSet
from domain.errors import CorruptPolicy
from domain.ports import UnitOfWork
from domain.proposals import Proposal
from policies.artifact import load_policy, read_policy_card
from policies.baselines import ConstantPolicy, UniformPolicy
from policies.codec import SavedPolicy


class PolicyShelf:
    """Policies of one data dir."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._policies: dict[str, SavedPolicy] = {}

    def policy_of(self, books: UnitOfWork, proposal: Proposal, actions: ActionSet) -> SavedPolicy:
        """What a proposal would have decide: one action, an even draw over its actions, or a learned version."""
        if proposal.action == "experiment":
            return UniformPolicy(ActionSet(proposal.actions))
        return self.policy(books, proposal.policy_version, actions)

    def policy(self, books: UnitOfWork, version: str, actions: ActionSet) -> SavedPolicy:
        """A version: p-..., or constant:ACTION over `actions`.

        Raises:
            NotFound: no such version.
            CorruptPolicy: its files are not what was registered.
            UnsupportedAction: a constant that `actions` does not have.
        """
        kind, _, action = version.partition(":")
        if kind == "constant":
            return ConstantPolicy(actions, action)
        if version not in self._policies:
            self._policies[version] = self._load(self._data_dir / books.policies.get(version).directory, version)
        return self._policies[version]

    def _load(self, directory: Path, version: str) -> SavedPolicy:
        found = read_policy_card(directory).policy_version
        if found != version:
            raise CorruptPolicy(f"{directory} holds {found}, expected {version}", "restore it, or train again")
        return load_policy(directory)
