"""How the market is fitted to a log, and when its fidelity is good enough to learn in it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MarketConfig:
    """Defaults from our own reference panels (docs/env.md says what they measured)."""

    n_members: int = 5  # ensemble members, each on its own bootstrap of the customers; FACTS measured 5
    max_levels: int = 12  # a context column with at most so many values moves between levels, else continuously
    max_features: int = 200  # products of features are only tried below this many
    choice_share: float = 0.25  # of customers held out while choosing whether rewards need products of features
    # Caution while learning: who stays pays less, and churn is higher, by so many standard deviations between members.
    # True score of the exact plan over 20 drawn subscription markets: mean .914 without, .930 at 1, .926 at 2.
    n_deviations: float = 1.0
    min_support_rounds: int = 10  # fewer logged rounds of an action in a leaf: masked there
    min_support_share: float = 0.015  # of a leaf's rounds; FACTS' mask used .02 of the propensity
    max_support_leaves: int = 24  # of the tree that says where which action was tried


@dataclass(frozen=True)
class FidelityConfig:
    """When a fitted market counts as resembling its data."""

    heldout_share: float = 0.3  # of customers, never used for fitting the market that is judged
    min_customers: int = 50  # held out; fewer cannot judge anything
    n_periods: int = 12  # compared at most
    n_bins: int = 10  # of predicted hazard and reward
    n_bootstraps: int = 200  # of customers, for the bands
    n_simulated: int = 6_000  # customers
    behavior_leaves: int = 64  # of the tree that stands for the policy that logged
    alpha: float = 0.01  # chance of refusing a faithful market, over all comparisons of a report together
    tolerance: float = 0.05  # a gap below this share of what was logged is immaterial, however certain
