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
    path_periods: int = 240  # of each member's path of what all customers share
    block_periods: int = 3  # of the calendar, moved together: a quarter of months


@dataclass(frozen=True)
class FidelityConfig:
    """When a fitted market counts as resembling its data."""

    heldout_share: float = 0.4  # of customers, never used for fitting the market that is judged
    min_customers: int = 50  # held out; fewer cannot judge anything
    n_periods: int = 12  # compared at most
    min_rounds_a_period: int = 50  # logged, by effective size; later periods are not compared
    state_periods: tuple[int, ...] = (1, 6, 12)  # after which the moving columns are compared
    n_bins: int = 10  # of predicted hazard and reward
    n_bootstraps: int = 200  # of customers, for the bands
    n_simulated: int = 6_000  # customers
    behavior_leaves: int = 64  # of the tree that stands for the policy that logged
    alpha: float = 0.02  # chance of refusing a faithful market, over all comparisons of a report together
    tolerance: float = 0.05  # a gap below this share of what was logged is immaterial, however certain
    churn_tolerance: float = 0.10  # the same for churn rates, of the mean rate: a regression's tails are rarely right
    share_tolerance: float = 0.02  # the same for the share of customers in one state
    max_auc: float = 0.60  # of telling simulated from logged customers; a market as good as the data has .50
    min_effect_deviations: float = 3.0  # by which logged actions must predict better than actions drawn in their place
    max_shift_weight: float = 20.0  # largest weight of a round under a policy that gives every action the same chance


@dataclass(frozen=True)
class ConfoundingConfig:
    """When a hidden driver counts as found, and how the fit is weighted against it."""

    min_customers: int = 100  # fewer cannot show it
    # Share of the propensities' variance that the context leaves open; a forest leaves below .01 open of a rule that
    # reads the context alone.
    min_unexplained_share: float = 0.02
    alpha: float = 0.01  # chance of finding a driver of outcomes where there is none, over all actions and outcomes
    weight_clip: float = 50.0  # largest stabilised weight of a round
