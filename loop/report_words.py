"""How the report writes numbers, names and verdicts: for a manager first, never a value without its interval."""

import math
import unicodedata
from collections.abc import Iterable, Mapping

from domain.estimates import Comparison, Evaluation, LookTaken, Verdict

DASH = "–"
TOO_LONG = 1e13  # from here numbers are written with an exponent
MAX_NAME = 160  # characters of a name from a log
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # categories that do not show, or turn the text around them
JOINERS = "\u200c\u200d"  # without them some scripts and emoji cannot be written

ESTIMATORS: Mapping[str, str] = {
    "ips": "the logged rewards, weighted",
    "ips_clipped": "ips, with no weight above the number in brackets",
    "snips": "ips, over the sum of the weights",
    "dm": "a reward model alone",
    "dr": "a reward model, corrected by weighted rewards",
    "sndr": "dr, over the sum of the weights",
    "switch_dr": "dr where the weight is at most the number in brackets, else the reward model",
    "dros": "dr with weights shrunk by the number in brackets",
    "pdis": "the logged rewards, weighted step by step",
    "snpdis": "pdis, over the sum of the weights of every step",
    "fqe": "a model of what follows, alone",
    "drl": "that model, corrected by rewards weighted state by state",
}
TITLES: Mapping[Verdict, str] = {
    Verdict.PROMOTE: "Promote",
    Verdict.HOLD: "Hold",
    Verdict.REJECT: "Reject",
    Verdict.CANNOT_TELL: "Cannot tell",
}


def plain(text: object, limit: int = MAX_NAME) -> str:
    """A name from a log on one line, with what would not show written out, and not endless.

    >>> plain("a\\u202eb\\n"), plain("10 % off 👩‍🚀")
    ('a\\\\u202eb\\\\n', '10 % off 👩‍🚀')
    """
    shown = "".join(_visible(c) for c in str(text)[:limit])
    return shown if len(str(text)) <= limit else shown + " …"


def _visible(character: str) -> str:
    if character in JOINERS or unicodedata.category(character) not in HIDDEN:
        return character
    return character.encode("unicode_escape").decode("ascii")


def amount(value: float | None) -> str:
    """Four digits, or all before the point.

    >>> amount(-0.076071), amount(12345.6), amount(3e15), amount(0.0), amount(None)
    ('−0.07607', '12,346', '3e15', '0', '–')
    """
    if value is None:
        return DASH
    size = abs(value)
    text = f"{size:,.0f}" if 1000 <= size < TOO_LONG else short_exponent(f"{size:.4g}")
    return f"−{text}" if value < 0 else text


def short_exponent(text: str) -> str:
    """
    >>> short_exponent("1.5e-09"), short_exponent("3e+12"), short_exponent("12")
    ('1.5e−9', '3e12', '12')
    """
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}".replace("-", "−") if e else text  # a hyphen would end a line


def signed(value: float | None) -> str:
    """
    >>> signed(0.5), signed(-0.5), signed(0.0)
    ('+0.5', '−0.5', '0')
    """
    return f"+{amount(value)}" if value is not None and value > 0 else amount(value)


def alike(value: float, low: float, high: float) -> tuple[str, str, str]:
    """A value and its interval with the same decimals, as many as the interval's width is worth.

    >>> alike(0.030618, 0.0236431, 0.0376), alike(-12345.6, -20000.0, 3.0), alike(1e-9, 0.0, 2e-9)
    (('0.0306', '0.0236', '0.0376'), ('−12,346', '−20,000', '3'), ('1e−9', '0', '2e−9'))
    """
    half = (high - low) / 2
    decimals = 3 if half <= 0 else 1 - math.floor(math.log10(half))
    if decimals > 8 or max(abs(low), abs(high)) >= TOO_LONG or half <= 0:
        return amount(value), amount(low), amount(high)
    return tuple(_fixed(v, max(decimals, 0)) for v in (value, low, high))  # type: ignore[return-value] # three


def _fixed(value: float, decimals: int) -> str:
    text = f"{abs(value):,.{decimals}f}"
    return f"−{text}" if value < 0 and text.strip("0.,") else text


def level(value: float, low: float, high: float) -> tuple[str, str]:
    """A value and its interval, as text.

    >>> level(1.0, -1.0, 3.0)
    ('1.0', '−1.0 to 3.0')
    """
    shown, lower, upper = alike(value, low, high)
    return shown, f"{lower} to {upper}"


def change(value: float, low: float, high: float) -> tuple[str, str]:
    """The same of a difference, with signs.

    >>> change(1.0, -1.0, 3.0), change(0.0, 0.0, 0.0)
    (('+1.0', '−1.0 to +3.0'), ('0', '0 to 0'))
    """
    shown, lower, upper = (
        f"+{text}" if number > 0 and text.strip("0.,") else text
        for number, text in zip((value, low, high), alike(value, low, high), strict=True)
    )
    return shown, f"{lower} to {upper}"


def share(value: float) -> str:
    """
    >>> share(0.0253), share(0.00001), share(1.0), share(0.0)
    ('2.53 %', 'below 0.01 %', '100 %', '0 %')
    """
    return "below 0.01 %" if 0 < value < 1e-4 else f"{100 * value:.3g} %"


def count(value: float) -> str:
    return f"{value:,.0f}"


def _more_or_less(value: float, text: str) -> str:
    return "the same" if value == 0 else f"{text.lstrip('−')} {'more' if value > 0 else 'less'}"


def policy_words(name: str) -> str:
    return "the logged policy" if name == "logged" else plain(name)


def unit_word(per: str) -> str:
    """What one value belongs to, in a manager's word: a round is a decision.

    >>> unit_word("round"), unit_word("episode of up to 6 periods")
    ('a decision', 'an episode of up to 6 periods')
    """
    unit = "decision" if per == "round" else per
    return f"an {unit}" if unit[0] in "aeiou" else f"a {unit}"


def units_word(per: str) -> str:
    """
    >>> units_word("round"), units_word("episode of up to 6 periods")
    ('decisions', 'episodes of up to 6 periods')
    """
    first, *rest = ("decision" if per == "round" else per).split(" ")
    return " ".join([f"{first}s", *rest])


def counted(n: int, word: str) -> str:
    """
    >>> counted(1, "column"), counted(12345, "column")
    ('1 column', '12,345 columns')
    """
    return f"{n:,} {word}" + ("" if n == 1 else "s")


def looks_words(taken: LookTaken) -> tuple[str, ...]:
    """The options that ask for this look."""
    if taken.kind == "scheduled":
        return "--look", f"{taken.look}/{taken.planned}"
    return ("--anytime",) if taken.kind == "anytime" else ()


def legend(estimators: Iterable[str]) -> dict[str, str]:
    """What each estimator is, as far as there are words; a number in brackets is no part of its kind.

    >>> legend(["dm", "ips_clipped(10)"])["ips_clipped(10)"]
    'ips, with no weight above the number in brackets'
    """
    kinds = {name: name.partition("(")[0] for name in estimators}
    return {name: ESTIMATORS[kind] for name, kind in kinds.items() if kind in ESTIMATORS}


def verdict_sentence(evaluation: Evaluation, margin: float) -> str:
    """The verdict without a number."""
    c = evaluation.comparison
    candidate, baseline = policy_words(c.candidate), policy_words(c.baseline)
    beyond = f" by the margin of {amount(margin)}" if margin else ""
    return {
        Verdict.PROMOTE: f"{candidate} is provably better than {baseline}{beyond}.",
        Verdict.REJECT: f"{candidate} is provably {'not better' if margin else 'worse'} than {baseline}{beyond}.",
        Verdict.HOLD: f"Neither better nor worse is proven for {candidate} against {baseline}{beyond}.",
        Verdict.CANNOT_TELL: "This log does not carry the question, so no difference is given.",
    }[evaluation.verdict]


def business_sentence(c: Comparison, reward: str, per: str) -> str:
    """What the difference means; empty where a diagnostic forbids a number."""
    if c.difference is None or c.low is None or c.high is None:
        return ""
    unit = unit_word(per)
    if c.difference == c.low == c.high == 0:
        return "Both earn the same on every row of this log."
    numbers = (c.difference, c.low, c.high)
    found, low, high = map(_more_or_less, numbers, alike(*numbers))
    return f"It earns {found} {plain(reward)} {unit} (between {low} and {high})."


FILTERS = {f.__name__: f for f in (plain, policy_words, amount, share, count)}
FUNCTIONS = {f.__name__: f for f in (level, change, counted)}
