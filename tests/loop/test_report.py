"""The page that `evaluate` leaves: one file without a script, hostile names as text, nothing doubtful unmarked."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from jinja2 import Environment, FileSystemLoader

import loop.report
from loop.evaluate import EvaluateAnswer, evaluate
from loop.logs import LogRequest
from loop.report_figures import histogram_of, scale_of
from loop.wiring import open_workspace
from tests.evaluation.worlds import ChainWorld

HOSTILE = (
    "<script>alert(1)</script>",
    'a,b "quoted" & \'x\' {{ 7*7 }} {% include "x" %}',
    "$x^$ [/bold] :b: 城市 🎁 \u202eevil",
    "]]></style><img src=http://evil.example/x onerror=alert(2)>",
)
VOID = {"meta", "img", "br", "hr", "input", "link"}


class Page(HTMLParser):
    """Tags, attributes, text of table rows; every element closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.rows: list[str] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "tr":
            self.rows.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)
        if "tr" in self.open:
            self.rows[-1] += data

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture(autouse=True)
def _own_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMSO_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def make_frame(n: int = 3000, gain: float = 1.0) -> pd.DataFrame:
    """Promo gains where x_age >= 0 and loses elsewhere; half the rows each."""
    rng = np.random.default_rng(0)
    age, promo = rng.normal(size=n), rng.integers(0, 2, n)
    reward = gain * np.sign(age) * promo + 0.3 * promo + 2 + rng.normal(size=n)
    names = np.where(promo == 1, "promo", "none")
    return pd.DataFrame({"unit_id": np.arange(n), "action": names, "propensity": 0.5, "reward": reward, "x_age": age})


def hostile_frame(n: int = 2000) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    action, level = rng.integers(0, len(HOSTILE), n), rng.integers(0, len(HOSTILE), n)
    names = np.array(HOSTILE, dtype=object)
    reward = np.where(level == 0, 1.0, -1.0) * (action == 0) + rng.normal(size=n)
    return pd.DataFrame(
        {
            "action": names[action],
            "propensity": 1 / len(HOSTILE),
            "reward_<b>profit</b>": reward,
            'x_"><svg onload=alert(4)>': names[level],
        }
    )


def panel_frame() -> pd.DataFrame:
    log = ChainWorld(horizon=4).log(800, np.random.default_rng(0))
    assert log.panel is not None
    names = np.array(log.actions.ids)
    return pd.DataFrame(
        {
            "unit_id": log.unit,
            "episode_id": log.panel.episode,
            "step": log.panel.step,
            "action": names[log.action],
            "propensity": log.propensity,
            "reward": log.reward,
            "x_x": log.context.column("x"),
            "next_x_x": log.panel.next_context.column("x"),
            "terminated": log.panel.terminated,
            "truncated": log.panel.truncated,
        }
    )


def answer_of(frame: pd.DataFrame, policy: str, baseline: str = "logged", name: str = "log.parquet") -> EvaluateAnswer:
    frame.to_parquet(name)
    return evaluate(open_workspace(), LogRequest(Path(name)), policy=policy, baseline=baseline, seed=0)


def source_of(answer: EvaluateAnswer) -> str:
    assert answer.report is not None
    return answer.report.read_text(encoding="utf-8")


def check_self_contained(source: str) -> Page:
    page = Page(source)
    assert not {"script", "link", "img", "iframe", "object", "embed", "form", "a", "image", "use"} & set(page.tags)
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name, value)
        assert name not in ("src", "href", "xlink:href", "action", "srcset", "data", "style"), (tag, name, value)
    (style,) = re.findall(r"<style>(.*?)</style>", source, re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style
    assert ("meta", "content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes
    return page


def test_page__lies_in_the_run_directory_and_says_the_verdict_first() -> None:
    answer = answer_of(make_frame(), "constant:promo", "constant:none")
    assert answer.to_data()["report"] == str(answer.run / "report.html")
    words = check_self_contained(source_of(answer)).words
    assert words.index("Promote constant:promo is provably better than constant:none.") < words.index("Why")
    assert answer.evaluation.reasons[0] in words
    assert "3,000 read, 3,000 used" in words
    assert "amso evaluate log.parquet --policy constant:promo --baseline constant:none --seed 0" in words


def test_same_answer__gives_the_same_bytes() -> None:
    first, second = (answer_of(make_frame(), "constant:promo", "constant:none") for _ in range(2))
    assert first.run != second.run
    assert source_of(first) == source_of(second)


def test_no_machine_path__beyond_what_the_user_gave(tmp_path: Path) -> None:
    assert str(tmp_path) not in source_of(answer_of(make_frame(), "uniform"))


def test_groups__are_ranked_with_who_gains_and_who_loses() -> None:
    page = check_self_contained(source_of(answer_of(make_frame(), "constant:promo", "constant:none")))
    rows = [" ".join(row.split()) for row in page.rows]
    gaining, losing = ([i for i, row in enumerate(rows) if row.endswith(end)] for end in ("▲ gains", "▼ loses"))
    assert len(gaining) >= 3  # of the tree, and two quarters
    assert len(losing) >= 3
    assert "age >= 0" in rows[gaining[0]]
    assert "age < 0" in rows[losing[0]]


@pytest.mark.parametrize("policy", HOSTILE)
def test_hostile_names__stay_text(policy: str) -> None:
    answer = answer_of(hostile_frame(), f"constant:{policy}", name="<b>hostile.parquet")
    source = source_of(answer)
    words = check_self_contained(source).words
    assert "<b>hostile.parquet" in words
    assert '"><svg onload=alert(4)>' in words
    assert "\u202e" not in source
    for name in HOSTILE:
        assert " ".join(name.replace("\u202e", "\\u202e").split()) in words
    answer.print()  # no markup of the terminal's either


def test_characters_that_do_not_show__are_written_out() -> None:
    frame = make_frame().replace({"action": {"promo": "pro\x00mo"}})
    words = check_self_contained(source_of(answer_of(frame, "constant:pro\x00mo"))).words
    assert "constant:pro\\x00mo" in words


@pytest.mark.parametrize(
    ("frame", "policy"),
    [
        (make_frame().assign(reward=0.0), "constant:promo"),
        (make_frame()[:60], "constant:promo"),
        (make_frame()[lambda f: f["action"] == "none"], "constant:none"),
        (make_frame().drop(columns=["x_age", "unit_id", "propensity"])[:90], "uniform"),
    ],
    ids=["all zero", "few rows", "one action", "bare"],
)
def test_cannot_tell__shows_no_value_without_saying_not_trusted(frame: pd.DataFrame, policy: str) -> None:
    answer = answer_of(frame, policy)
    page = check_self_contained(source_of(answer))
    assert "Cannot tell" in page.words
    assert "It earns" not in page.words
    assert "▲ gains" not in page.words
    values = [row for row in page.rows if re.search(r"· (ips|snips|dm|dr|sndr|ips_clipped|switch_dr|dros)\b", row)]
    assert len(values) == len(answer.evaluation.estimates)
    assert all("not trusted" in row for row in values)
    assert "✗ fails" in page.words


def test_trusted_answer__still_marks_what_its_interval_leaves_out() -> None:
    answer = answer_of(make_frame(), "constant:promo", "constant:none")
    page = check_self_contained(source_of(answer))
    marked = [row for row in page.rows if "not trusted" in row]
    assert len(marked) == sum(not e.trusted for e in answer.evaluation.estimates)
    assert {re.search(r"· (\w+)", row).group(1) for row in marked} == {"dm", "ips_clipped", "switch_dr", "dros"}  # type: ignore[union-attr] # every row names its estimator


def test_panel__is_told_in_episodes() -> None:
    words = check_self_contained(source_of(answer_of(panel_frame(), "constant:contact"))).words
    assert "an episode of up to 4 periods" in words
    assert "for 1,000 episodes of up to 4 periods" in words


def test_many_actions_long_names_and_tiny_numbers__still_make_a_page() -> None:
    rng = np.random.default_rng(0)
    share = rng.dirichlet(np.full(80, 3.0))
    action = rng.choice(80, 6000, p=share)
    names = np.array([f"offer {i:02d} " + "x" * 300 for i in range(80)], dtype=object)
    frame = pd.DataFrame(
        {
            "action": names[action],
            "propensity": share[action],
            "reward": 1e-9 * rng.exponential(size=6000),
            "x_wealth": rng.normal(size=6000) * 1e13,
            "x_id": np.array([f"id-{i}" for i in range(6000)], dtype=object),
        }
    )
    page = check_self_contained(source_of(answer_of(frame, f"constant:{names[3]}", "uniform")))
    assert "x" * 200 not in page.words.split("Why")[0]  # reasons and command keep the whole name
    assert "1 column left out" in page.words


def test_figures__have_words_and_tables_have_captions() -> None:
    source = source_of(answer_of(make_frame().drop(columns="propensity"), "constant:promo"))
    page = check_self_contained(source)
    assert page.tags.count("table") == page.tags.count("caption")
    assert page.tags.count("h1") == 1
    hidden_or_named = [
        sum(tag == "svg" and name == wanted for tag, name, _ in page.attributes)
        for wanted in ("aria-hidden", "aria-label")
    ]
    assert sum(hidden_or_named) == page.tags.count("svg")
    assert "were estimated" in page.words


def test_templates__never_switch_escaping_off() -> None:
    folder = Path(loop.report.__file__).parent / "templates"
    for template in folder.iterdir():
        assert not re.search(r"\|\s*safe|autoescape|Markup", template.read_text())
    made = loop.report._environment()
    assert isinstance(made, Environment)
    assert made.autoescape is True
    assert isinstance(made.loader, FileSystemLoader)


def test_findings__make_a_table_where_diagnostics_have_them() -> None:
    class Found:
        kind, n_rounds, is_refusal, text = "duplicates", 1234, True, "<i>1,234 rows</i> came twice"

    text = loop.report._environment().get_template("findings.html").render(page={"findings": (Found(),)})
    assert "&lt;i&gt;1,234 rows&lt;/i&gt; came twice" in text
    assert "yes" in text


def test_scale__is_not_dwarfed_by_what_is_not_trusted() -> None:
    scale = scale_of([(1.0, 2.0)], [(-1000.0, 1000.0)])
    mark = scale.mark(-1000.0, 500.0, 1000.0)
    assert (mark.is_low_cut, mark.is_high_cut, mark.value) == (True, True, None)
    assert scale.mark(1.0, 1.5, 2.0).high - scale.mark(1.0, 1.5, 2.0).low > 20


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (5.0, 5.0), (1e12, 1e12 + 1), (-1e-12, 2e-12), (1e300, 2e300)])
def test_scale__has_ticks_that_differ_whatever_the_numbers(low: float, high: float) -> None:
    scale = scale_of([(low, high)], reference=None)
    labels = [tick.label for tick in scale.ticks]
    assert len(set(labels)) == len(labels) >= 1
    assert all(0 <= tick.at <= 100 for tick in scale.ticks)


def test_histogram__of_one_weight_is_a_sentence() -> None:
    assert histogram_of(np.array([0.0, 3.0, 3.0, 3.0])).caption == "25 % have weight 0; the others weigh 3"
    assert histogram_of(np.zeros(3)).columns == ()
    spread = histogram_of(np.geomspace(0.1, 1000, 50))
    assert len(spread.columns) > 20
    assert all(0 <= c.x <= 100 and 0 < c.height <= 100 for c in spread.columns)
