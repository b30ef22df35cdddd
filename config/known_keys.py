"""Which keys a place in the file may hold, read off the sections' annotations, and the nearest to a misspelt one."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from config.section import Section


def known_keys(root: type[Section], loc: Sequence[str | int]) -> tuple[str, ...]:
    """Keys that the section at `loc` accepts; `loc` as pydantic reports it, with the tags of unions."""
    places: list[Any] = [root]  # annotations are whatever typing makes them
    for part in loc:
        places = [step for place in places for step in _step(place, part)]
    return tuple(key for place in places if _is_section(place) for key in _fields(place))


def suggest(word: str, known: Iterable[str]) -> str:
    """`; did you mean ...?`, or nothing where nothing is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean `{near[0]}`?" if near else ""


def _step(place: Any, part: str | int) -> list[Any]:  # noqa: ANN401 # annotations are whatever typing makes them
    if _is_section(place):
        fields = _fields(place)
        if part in fields:
            return _members(fields[str(part)])
        # a tag of a union: it repeats the member's own literal, or the member has none; stay where we are
        literals = [get_args(a) for a in fields.values() if get_origin(a) is Literal]
        return [place] if not literals or any(part in choices for choices in literals) else []
    arguments = get_args(place)
    if get_origin(place) in (Mapping, dict):
        return _members(arguments[1])
    return _members(arguments[0]) if get_origin(place) is tuple else []


def _members(annotation: Any) -> list[Any]:  # noqa: ANN401 # as above
    """A union's members without their annotations."""
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [member for part in get_args(annotation) for member in _members(part)]
    return [annotation]


def _is_section(place: Any) -> bool:  # noqa: ANN401 # as above
    return isinstance(place, type) and issubclass(place, Section)


def _fields(section: type[Section]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in section.model_fields.items()}
