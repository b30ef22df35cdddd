"""How the report writes numbers, names and verdicts: for a manager first, never a value without its interval."""

import unicodedata
from collections.abc import Mapping

from domain.estimates import Comparison, Evaluation, Verdict

DASH = "–"
MAX_NAME = 160  # characters of a name from a log
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # categories that do not show, or turn the text around them
JOINERS = "\u200c\u200d"  # without them some scripts and emoji cannot be written

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
    """Four digits, or all before the point up to a billion.

    >>> amount(-0.076071), amount(12345.6), amount(3e12), amount(0.0), amount(None)
    ('−0.07607', '12,346', '3e+12', '0', '–')
    """
    if value is None:
        return DASH
    size = abs(value)
    text = f"{size:,.0f}" if 1000 <= size < 1e9 else f"{size:.4g}"
    return f"−{text}" if value < 0 else text


def signed(value: float | None) -> str:
    """
    >>> signed(0.5), signed(-0.5), signed(0.0)
    ('+0.5', '−0.5', '0')
    """
    return f"+{amount(value)}" if value is not None and value > 0 else amount(value)


def span(low: float | None, high: float | None) -> str:
    """
    >>> span(-1.0, 2.5)
    '−1 to +2.5'
    """
    return DASH if low is None or high is None else f"{signed(low)} to {signed(high)}"


def level_span(low: float | None, high: float | None) -> str:
    """
    >>> level_span(-1.0, 2.5)
    '−1 to 2.5'
    """
    return DASH if low is None or high is None else f"{amount(low)} to {amount(high)}"


def share(value: float) -> str:
    """
    >>> share(0.0253), share(0.00001), share(1.0), share(0.0)
    ('2.53 %', 'below 0.01 %', '100 %', '0 %')
    """
    return "below 0.01 %" if 0 < value < 1e-4 else f"{100 * value:.3g} %"


def share_signed(value: float) -> str:
    """
    >>> share_signed(0.0253), share_signed(-12.0), share_signed(0.0)
    ('+2.53 %', '−1,200 %', '0 %')
    """
    return f"{signed(float(f'{100 * value:.3g}'))} %"


def count(value: float) -> str:
    return f"{value:,.0f}"


def difference_words(value: float) -> str:
    """
    >>> difference_words(0.2), difference_words(-0.2), difference_words(0.0)
    ('0.2 more', '0.2 less', 'the same')
    """
    return "the same" if value == 0 else f"{amount(abs(value))} {'more' if value > 0 else 'less'}"


def unit_word(per: str) -> str:
    """What one value belongs to, in a manager's word: a round is a decision."""
    return "decision" if per == "round" else per


def verdict_sentence(evaluation: Evaluation, margin: float) -> str:
    """The verdict without a number."""
    c = evaluation.comparison
    candidate, baseline = plain(c.candidate), plain(c.baseline)
    beyond = f" by more than {amount(margin)}" if margin else ""
    return {
        Verdict.PROMOTE: f"{candidate} is provably better than {baseline}{beyond}.",
        Verdict.REJECT: f"{candidate} is provably worse than {baseline}, or not better by the margin asked for."
        if margin
        else f"{candidate} is provably worse than {baseline}.",
        Verdict.HOLD: f"Neither better nor worse is proven for {candidate} against {baseline}.",
        Verdict.CANNOT_TELL: "This log does not carry the question, so no difference is given.",
    }[evaluation.verdict]


def business_sentence(c: Comparison, reward: str, per: str) -> str:
    """What the difference means; empty where a diagnostic forbids a number."""
    if c.difference is None or c.low is None or c.high is None:
        return ""
    unit = unit_word(per)
    if c.difference == c.low == c.high == 0:
        return f"Both earn the same in every {unit} of this log."
    article = "an" if unit[0] in "aeiou" else "a"
    return (
        f"It earns {difference_words(c.difference)} {plain(reward)} {article} {unit} "
        f"(between {difference_words(c.low)} and {difference_words(c.high)})."
    )


FILTERS = {f.__name__: f for f in (plain, amount, signed, share, share_signed, count)}
FUNCTIONS = {f.__name__: f for f in (span, level_span)}
