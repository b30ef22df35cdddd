import subprocess
import sys
from pathlib import Path

import pytest

from domain.errors import UsageError
from policies.spec import PolicySpec, SpecKind, parse_policy_spec

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "kind", "argument"),
    [
        ("constant:promo", SpecKind.CONSTANT, "promo"),
        ("constant:a:b", SpecKind.CONSTANT, "a:b"),
        ("uniform", SpecKind.UNIFORM, ""),
        ("logged", SpecKind.LOGGED, ""),
        ("probabilities:p_new", SpecKind.PROBABILITIES, "p_new"),
        ("thompson:policies/men.yaml", SpecKind.THOMPSON, "policies/men.yaml"),
        ("version:p-0123456789ab", SpecKind.VERSION, "p-0123456789ab"),
        ("path:C:/policies/new one", SpecKind.PATH, "C:/policies/new one"),
    ],
)
def test_every_form_is_read_and_printed_back(text: str, kind: SpecKind, argument: str) -> None:
    assert parse_policy_spec(text) == PolicySpec(kind, argument)
    assert str(parse_policy_spec(text)) == text


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("constnt:promo", "has none of the known forms: constant:ACTION, uniform", "did you mean constant:promo?"),
        ("Uniform", "has none of the known forms", "did you mean uniform?"),
        ("promo", "has none of the known forms", "did you mean constant:promo?"),
        ("", "has none of the known forms", "use one of these forms"),
        ("constant:", "expected constant:ACTION", "the forms are constant:ACTION"),
        ("constant", "expected constant:ACTION", "the forms are constant:ACTION"),
        ("logged:x", "expected logged", "the forms are constant:ACTION"),
        ("uniform:", "expected uniform", "the forms are constant:ACTION"),
    ],
)
def test_what_is_no_form_is_answered_with_the_forms(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_policy_spec(text)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_deciding_needs_neither_torch_nor_pandas_nor_scikit_learn() -> None:
    code = (
        "import sys, policies.artifact, policies.spec; "
        "print(*[m for m in ('torch', 'pandas', 'sklearn', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
