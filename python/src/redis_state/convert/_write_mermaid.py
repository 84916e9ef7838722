"""Writes definitions as Mermaid state diagrams: the picture that `SM.EXPORT key MERMAID` draws."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

from redis_state._definition import Definition
from redis_state._draw import shown, time_shown
from redis_state._rows import any_row, arrows, is_final, own_row, timers
from redis_state.convert._notes import Notes, quoted
from redis_state.convert._time import of_shown


def write(definition: Definition, notes: Notes) -> str:
    """Returns the text of a diagram."""
    _note(definition, notes)
    return diagram(definition)


def diagram(definition: Definition, current: Optional[str] = None) -> str:
    """Returns the text of a diagram. The state `current`, if it is given, is highlighted."""
    return "\n".join(_lines(definition, current)) + "\n"


def _lines(definition: Definition, current: Optional[str]) -> Iterator[str]:
    ids = {state: f"s{at}" for at, state in enumerate(definition.states)}
    yield "stateDiagram-v2"
    for state, node in ids.items():
        yield f'    state "{_label(state)}" as {node}'
    if definition.any:
        yield '    state "#42;" as any'
    yield f"    [*] --> {ids[definition.initial]}"
    yield from _arrows(definition, ids)
    yield from (f"    {ids[state]} --> [*]" for state in definition.states if is_final(definition, state))
    if current is not None:
        yield "    classDef current fill:#fc3,stroke:#333,stroke-width:2px"
        yield f"    class {ids[current]} current"


def _arrows(definition: Definition, ids: dict[str, str]) -> Iterator[str]:
    for state, event, target in arrows(definition):
        source = "any" if state is None else ids[state]
        yield f"    {source} --> {ids[target]}" + (f" : {_text(event)}" if event else "")
    for state, timer in timers(definition):
        to = "[*]" if timer.to is None else ids[timer.to]
        yield f"    {ids[state]} --> {to} : {time_shown(timer.ms)}"


def _label(name: str) -> str:
    """Writes a name as a label: characters that Mermaid could read as syntax become entities by number."""
    out: list[str] = []
    text, in_word = shown(name), False
    for at, letter in enumerate(text):
        joins = in_word and text[at + 1 : at + 2].isalnum()
        in_word = letter.isalnum()
        # Mermaid reads `direction LR` as a statement, wherever in a line it stands.
        is_direction = letter == " " and "".join(out[-9:]).lower().endswith("direction")
        out.append(letter if _is_text(letter, joins) and not is_direction else f"#{ord(letter)};")
    return "".join(out)


def _is_text(letter: str, joins: bool) -> bool:
    """Labels are Markdown, in which `_a_` and `1. a` are more than text; within a word these are text."""
    if letter in "_-.":
        return joins
    if letter == "\ufeff":
        return False
    if letter.isascii():
        return letter == " " or letter.isalnum()
    return not letter.isspace()


def _text(event: str) -> str:
    """Writes an event at an arrow, where blanks at the ends would be lost."""
    inner = event.strip(" ")
    if not inner:
        return "#32;" * len(event)
    before = len(event) - len(event.lstrip(" "))
    return "#32;" * before + _label(inner) + "#32;" * (len(event) - before - len(inner))


# ---- what a diagram doesn't say -----------------------------------------------------------------


def _note(definition: Definition, notes: Notes) -> None:
    for field in ("history", "name", "revision"):
        if getattr(definition, field) not in (0, "", None):
            notes.add(field, "left out: a diagram has no word for it")
    names: dict[str, str] = {}
    for state in definition.states:
        text = shown(state)
        if text != state:
            notes.add(f"map.{quoted(state)}", f"the diagram can't hold this name: it shows {quoted(text)}")
        if names.setdefault(text, state) != state:
            notes.add(f"map.{quoted(state)}", f"another state is shown as {quoted(text)} too")
    for state in definition.map:
        _note_events(own_row(definition, state), f"map.{state}", notes)
    _note_events(any_row(definition), "any", notes)


def _note_events(row: dict[str, tuple[str, ...]], place: str, notes: Notes) -> None:
    for event, targets in row.items():
        where = f"{place}.{event}"
        if not targets:
            notes.add(where, "left out: the diagram doesn't show that the state refuses the event")
        elif of_shown(event):
            notes.add(where, "the diagram shows this event like a timer")
        elif event and shown(event) != event:
            notes.add(where, f"the diagram can't hold this event: it shows {quoted(shown(event))}")
