"""Words by which people name the columns of a decision log, likeliest first. Guesses only: a person confirms them."""

import re

ACTION_WORDS = (
    "action", "offer", "treatment", "variant", "promotion", "promo", "discount", "campaign", "price_group",
    "price_plan", "paywall", "arm", "test_group", "group", "message", "email", "segment",
)  # fmt: skip
MONEY_WORDS = (
    "profit", "margin", "revenue", "net", "spend", "spent", "gmv", "ltv", "sales", "amount", "income", "earnings",
    "interest", "paid", "value",
)  # fmt: skip
OUTCOME_WORDS = (
    "reward", "purchase", "purchased", "conversion", "converted", "bought", "renewed", "subscribed", "retained",
    "churned", "clicked", "click", "visited", "visit", "outcome", "response", "responded", "applied",
)  # fmt: skip
PROPENSITY_NAMES = ("propensity", "propensity_score", "pscore")  # the whole name: a churn probability is none
SHORT_PROPENSITY_NAMES = ("p", "prob")  # believed only where the numbers bear it out
UNIT_WORDS = (
    "unit_id", "user_id", "customer_id", "account_id", "client_id", "member_id", "subscriber_id", "visitor_id",
    "device_id", "user", "customer", "uid",
)  # fmt: skip
TIME_WORDS = (
    "decided_at", "shown_at", "offered_at", "sent_at", "timestamp", "time", "datetime", "date", "at", "created_at",
)  # fmt: skip
BASELINE_WORDS = ("none", "no", "control", "nothing", "off", "baseline", "default", "standard")
AFTER_WORDS = (
    *OUTCOME_WORDS, *MONEY_WORDS, "refund", "refunded", "refunds", "chargeback", "cancelled", "after", "next", "final",
)  # fmt: skip
BEFORE_WORDS = ("prior", "previous", "prev", "past", "last", "before", "history", "historical", "lifetime", "avg")


def matches(name: str, word: str) -> bool:
    """Whether a name is the word, or holds it as a part of its own.

    >>> matches("order_profit", "profit"), matches("profitable", "profit"), matches("userId", "user_id")
    (True, False, True)
    """
    return f"_{word}_" in f"_{in_snake_case(name)}_"


def in_snake_case(name: str) -> str:
    """A name's words, lower case and joined by underscores.

    >>> in_snake_case("propensityScore"), in_snake_case("User ID")
    ('propensity_score', 'user_id')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_").replace(" ", "_")
