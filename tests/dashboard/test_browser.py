"""The dashboard as a person uses it, in a real browser: log in, read, approve, watch, halt. Nothing is reloaded."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, Request, expect, sync_playwright

from domain.proposals import Status
from loop.gate import show_proposal
from loop.serving import decide_one
from tests.dashboard.house import House, make_context

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
LIVE_MS = 3_000  # a change is on the page within a second; a busy machine gets more


@dataclass
class Complaints:
    """What a person would never see, and a developer in the console."""

    console: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", lambda m: self.console.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.on("requestfailed", self._note)
        page.on("response", lambda r: self.failed.append(f"{r.status} {r.url}") if r.status >= 400 else None)

    def _note(self, request: Request) -> None:
        """Leaving a page ends what it still reads, its stream of events first: a browser calls that aborted."""
        if request.failure != "net::ERR_ABORTED":
            self.failed.append(f"{request.failure} {request.url}")


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    if not CHROMIUM.exists():
        said = f"{CHROMIUM} is not installed (Debian: apt-get install chromium)"
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(said)
        pytest.skip(said)
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    launched = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
    yield launched
    launched.close()


@pytest.fixture
def page(house: House, browser: Browser) -> Iterator[Page]:
    """A window that must not have complained when it closes."""
    complaints = Complaints()
    context = browser.new_context(base_url=house.url, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(10_000)
    opened = context.new_page()
    complaints.watch(opened)
    yield opened
    context.close()
    assert complaints == Complaints()


def log_in(page: Page, house: House, name: str) -> None:
    page.goto("/")
    page.get_by_label("Your token").fill(house.tokens[name])
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def stay(page: Page) -> None:
    """Marks the document: a reload would lose the mark."""
    page.evaluate("document.documentElement.dataset.stayed = 'yes'")


def has_stayed(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.dataset.stayed === 'yes'"))


def test_person__reads_approves_watches_and_halts(house: House, page: Page) -> None:
    proposal_id = house.propose(note="10 % off for half of them")
    house.approve(proposal_id, "ben")
    log_in(page, house, "cleo")
    page.get_by_role("link", name="Strategies").click()
    expect(page.locator(".strategy").first).to_contain_text("1,234 [800, 1,700] EUR")
    page.get_by_role("link", name="Overview").click()
    page.get_by_role("link", name=f"{proposal_id} by ana waits for your judgement").click()

    badge = page.locator("#standing .badge")
    expect(badge).to_have_text("PENDING")
    stay(page)
    page.locator("form[action$='/approve']").get_by_label("Note").fill("fine by me")
    page.get_by_role("button", name="Approve what is shown here").click()
    expect(badge).to_have_text("APPROVED")
    expect(page.get_by_role("status")).to_contain_text(f"{proposal_id} is APPROVED")
    assert show_proposal(house.workspace, proposal_id).tracked.status is Status.APPROVED

    house.advance(proposal_id)  # somebody else's process, such as `amso live`
    expect(badge).to_have_text("CANARY 1/2", timeout=LIVE_MS)
    expect(page.get_by_role("button", name="Roll back")).to_be_visible(timeout=LIVE_MS)
    expect(page.locator("#body")).to_contain_text("starts at its smallest share")

    page.get_by_role("link", name="Halt").click()
    stay(page)
    page.get_by_label("Reason").fill("numbers fell")
    page.get_by_role("button", name="HALT", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("global is halted")
    expect(page.locator(".banner")).to_contain_text("HALTED: global by cleo", use_inner_text=True, timeout=LIVE_MS)
    assert has_stayed(page)
    assert "numbers fell" in decide_one(house.workspace, make_context()).why  # type: ignore[union-attr] # an answer


def test_overview__changes_by_itself_and_draws_its_chart(house: House, page: Page) -> None:
    log_in(page, house, "ben")
    expect(page.locator(".chart canvas")).to_be_visible()
    expect(page.locator("#proposals")).to_contain_text("Nothing is proposed yet")
    stay(page)
    proposal_id = house.propose()
    expect(page.locator("#proposals")).to_contain_text(proposal_id, timeout=LIVE_MS)
    expect(page.get_by_role("link", name=f"{proposal_id} by ana waits for your judgement")).to_be_visible(
        timeout=LIVE_MS
    )
    decide_one(house.workspace, make_context())
    card = page.locator("#counted .cards > div").filter(has_text="decisions, the baseline")
    expect(card.locator("dd")).to_have_text("1", timeout=LIVE_MS)
    assert has_stayed(page)


def test_every_page__fits_a_telephone(house: House, page: Page) -> None:
    proposal_id = house.live()
    for i in range(3):
        decide_one(house.workspace, make_context(f"r-{i}", f"u-{i}"))
    page.set_viewport_size({"width": 400, "height": 800})
    log_in(page, house, "ben")
    page.goto("/decisions")
    decision = page.locator("td a").first.get_attribute("href")
    assert decision is not None
    for path in ("/", "/strategies", f"/proposals/{proposal_id}", "/halt", "/audit?check=true", "/decisions", decision):
        page.goto(path)
        page.wait_for_load_state("load")
        assert page.evaluate("document.documentElement.scrollWidth") <= 400, path
        page.locator(".banners").wait_for(state="attached")


def test_refused_act__is_told_on_the_page(house: House, browser: Browser) -> None:
    """Its own window: the browser's console notes the 409, as it should."""
    proposal_id = house.propose()
    context = browser.new_context(base_url=house.url)
    page = context.new_page()
    log_in(page, house, "ben")
    page.goto(f"/proposals/{proposal_id}")
    page.evaluate("document.querySelector('[name=seen_hash]').value = 'of something else'")
    page.get_by_role("button", name="Approve what is shown here").click()
    expect(page.get_by_role("alert")).to_contain_text("is not what was looked at")
    context.close()


def test_forms__work_without_scripts(house: House, browser: Browser) -> None:
    proposal_id = house.propose()
    context = browser.new_context(base_url=house.url, java_script_enabled=False)
    page = context.new_page()
    log_in(page, house, "ben")
    page.goto(f"/proposals/{proposal_id}")
    page.get_by_role("button", name="Approve what is shown here").click()
    expect(page.get_by_role("status")).to_contain_text(f"{proposal_id} is PENDING; still to agree")
    context.close()
