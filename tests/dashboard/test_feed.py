"""The feed: what is new to a listener, once; ends for whoever is no longer allowed, and for all when it closes."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping

from dashboard.feed import Feed, event
from dashboard.rendering import render
from loop.halts import halt
from loop.people import revoke_person
from tests.dashboard.house import House


async def heard(stream: AsyncIterator[str], until: str) -> str:
    """All up to the chunk that holds `until`."""
    text = ""
    async with asyncio.timeout(10):
        async for chunk in stream:
            text += chunk
            if until in text:
                return text
    raise AssertionError(f"ended without {until}: {text}")


def test_listeners__hear_what_is_new_to_them_and_only_that() -> None:
    now: dict[str, str] = {"a": "1", "b": "1"}

    def read() -> Mapping[str, str]:
        return dict(now)

    async def listen() -> None:
        feed = Feed(read)
        early = feed.listen(lambda: True)
        first = await heard(early, event("b", "1"))
        assert event("a", "1") in first
        now["b"] = "2"
        assert event("a", "1") not in await heard(early, event("b", "2"))
        late = feed.listen(lambda: True)
        assert event("a", "1") in await heard(late, event("b", "2"))
        await feed.close()
        async with asyncio.timeout(5):
            assert "event" not in "".join([chunk async for chunk in early])
            assert "event" not in "".join([chunk async for chunk in late])

    asyncio.run(listen())


def test_listener_who_is_no_longer_allowed__hears_nothing_more() -> None:
    async def listen() -> None:
        feed = Feed(lambda: {"a": "1"})
        async with asyncio.timeout(5):
            assert [chunk async for chunk in feed.listen(lambda: False)] == [": here\n\n"]

    asyncio.run(listen())


def lines_until(lines: Iterator[str], wanted: str) -> list[str]:
    found = []
    for line in lines:
        found.append(line)
        if wanted in line:
            return found
    raise AssertionError(f"ended without {wanted}")


def test_halt__is_on_every_open_page_and_the_revoked_one_is_cut_off(house: House) -> None:
    proposal_id = house.propose()
    client = house.signed_in("ben")
    with client.stream("GET", "/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert "event: proposals" in lines_until(lines, f"event: proposal-{proposal_id}")
        halt(house.workspace, house.tokens["ben"], "global", "numbers fell")
        lines_until(lines, "numbers fell")
    with house.signed_in("cleo").stream("GET", "/events") as stream:
        lines = stream.iter_lines()
        lines_until(lines, "numbers fell")
        revoke_person(house.workspace, "cleo")
        halt(house.workspace, house.tokens["ben"], "point:paywall", "secret news")
        assert "secret news" not in "\n".join(lines)


def test_predictions__end_with_how_they_came_true() -> None:
    row = {"proposal_id": "pr-1", "policy_version": "p-1", "n_decisions": 7, "as_of": "2026-03-01T12:00:00+00:00"}
    bounds = {f"{what}_{end}amount": 0.5 for what in ("predicted", "realised") for end in ("", "low_", "high_")}
    shown = render("parts/predictions.html", s={"predictions": [row | bounds], "calibration": "1 of 1 <agree>"})
    assert "Offline verdicts and what came: 1 of 1 &lt;agree&gt;" in shown
    assert "Offline verdicts" not in render(
        "parts/predictions.html", s={"predictions": [row | bounds], "calibration": ""}
    )
