"""The parts of pages that change by themselves, by the name of their event. The same for everybody who looks."""

from collections.abc import Mapping

from dashboard.rendering import render
from domain.errors import AmsoError
from loop.status import snapshot
from loop.wiring import Workspace


def read_fragments(workspace: Workspace) -> Mapping[str, str]:
    """Event name -> HTML. Where SQL does not answer, only that it does not."""
    try:
        with workspace.knowledge.transaction() as books:
            found = snapshot(books, workspace.settings, workspace.clock.now())
    except AmsoError as error:
        return {"trouble": render("parts/trouble.html", trouble=error.message)}
    return fragments_of(found)


def fragments_of(found: Mapping[str, object]) -> Mapping[str, str]:
    """What a snapshot looks like."""
    proposals = found["proposals"]
    assert isinstance(proposals, list)
    parts = {name: render(f"parts/{name}.html", s=found) for name in ("halts", "proposals", "counts", "predictions")}
    badges = {f"proposal-{p['proposal_id']}": render("parts/badge.html", p=p) for p in proposals}
    return {**parts, **badges, "trouble": render("parts/trouble.html", trouble="")}
