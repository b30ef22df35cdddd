"""Templates to HTML. Everything that enters a template is escaped; an unknown name is an error, not an empty page."""

from functools import cache
from pathlib import Path

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dashboard.signed_in import SignedIn, csrf_token, sessions_of, workspace_of
from dashboard.words import FILTERS, FUNCTIONS

FOLDER = Path(__file__).parent


@cache
def environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(FILTERS)
    made.globals.update(FUNCTIONS)
    return made


def render(template: str, **names: object) -> str:
    return environment().get_template(template).render(**names)


def page(
    request: Request, template: str, *, who: SignedIn | None, status: int = 200, error: str = "", **names: object
) -> HTMLResponse:
    """A whole page, with what was noted for it by the act before."""
    html = render(
        template,
        who=who,
        path=request.url.path,
        csrf=csrf_token(request),
        note=sessions_of(request).take_note(request.session.get("id")),
        error=error,
        business=workspace_of(request).settings.business,
        **names,
    )
    return HTMLResponse(html, status)


def note_for_next_page(request: Request, text: str) -> None:
    sessions_of(request).leave_note(request.session.get("id"), text)
