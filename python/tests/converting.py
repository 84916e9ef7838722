"""For the tests of converters: random definitions, and what two of them have in common."""

import random

from redis_state import Definition, Timer
from redis_state._draw import shown
from redis_state.convert import read, write

PLAIN = ["new", "paid", "in review", "sent", "lost", "retour", "e1", "e2", "中文", "Größe"]

# Names that are, or look like, syntax of one of the formats.
HOSTILE = [
    "", " ", "  a  b  ", "\0", "\n", "a\r\nb", "\t", "\x7f", "\x80\x9f", "\u2028", '"', "'", "`a`", "\\", "a\\",
    "&", "&lt;", "#34;", "#lt;", "#", ";", "a;b", "<b>", "<<fork>>", "]]>", "<!-- a -->", "%%a", "%%{init: {}}%%",
    "---", "--", "-->", ":", ":::a", "{", "}", "[*]", "*", "a*", "a.*", "=", "(a)", "|", "/", "a / b", "[x]",
    "e [g]", "$$a$$", "@", "_a_", "__proto__", "1. a", "a_b", "a.b", "a.b.c", "a", "a.", ".", "s0", "any", "start",
    "state", "note", "class", "direction LR", "accTitle: a", "on", "no", "1", "true", "null", "🚀", "שלום",
    "\ufeffa", "\ufffe\uffff", "\xa0", "x" * 90, "x" * 1200, "done.state.x", "move.to.3", "End", "States.ALL",
]  # fmt: skip

TIMES = [1, 1000, 1500, 60_000, 1_800_000, 86_400_000]


def definition(seed, names):
    """Makes a definition of some of the names, with whatever a document can have."""
    rng = random.Random(seed)
    states = rng.sample(names, rng.randint(1, 7))
    events = rng.sample(names, 4)

    def targets(least):
        found = rng.sample(states, min(len(states), rng.choice([least, 1, 1, 1, 2, 3])))
        return found[0] if len(found) == 1 else found

    def row():
        if rng.random() < 0.5:
            return rng.sample(states, rng.randint(0, min(3, len(states))))
        found = {event: targets(0) for event in rng.sample([*events, ""], rng.randint(1, 4))}
        return {event: to for event, to in found.items() if event or to}

    document = {"map": {state: row() for state in states}, "initial": rng.choice(states)}
    if rng.random() < 0.5:
        named = [event for event in events if event]
        document["any"] = {event: targets(1) for event in rng.sample(named, rng.randint(1, 2))}
    if rng.random() < 0.5:
        timers = [
            {"to": rng.choice(states)},
            {"to": rng.choice(states), "ms": rng.choice(TIMES)},
            {"to": None, "ms": 5},
        ]
        document["after"] = {state: rng.choice([*timers, {"to": None}]) for state in states if rng.random() < 0.5}
    if rng.random() < 0.3:
        labels = [name for name in names if name and len(name) < 99]
        document.update(name=rng.choice(labels), revision=rng.randint(0, 9), history=7)
    return Definition.from_document(document)


def without(found, *, deletions=False, refusals=False, labels=False, history=False):
    """Returns the definition without what a format can't say."""
    document = found.to_document()
    if deletions:
        after = {state: timer for state, timer in document.get("after", {}).items() if timer["to"] is not None}
        document["after"] = after
    if refusals:
        rows = document["map"].items()
        document["map"] = {
            state: row if isinstance(row, list) else {event: to for event, to in row.items() if to}
            for state, row in rows
        }
    for field in ("name", "revision", "history") if labels else ("revision", "history") if history else ():
        document.pop(field, None)
    return Definition.from_document(document)


def meaning(found):
    """Returns what a definition says, whatever the order and the form in which it says it."""
    moves = {
        state: {event: frozenset(targets) for event, targets in found.events(state).items()} for state in found.states
    }
    return found.initial, moves, dict(found.after), found.name, found.revision, found.history


def there_and_back(found, format):
    """Returns what is read from the text that is written, after it has been found by its form."""
    written = write(found, format)
    conversion = read(written.text)
    assert conversion.format == format
    return conversion.definition


def check_round_trips(format, names, seeds=120, **left_out):
    """Checks that random definitions survive, and that what is left out is told."""
    for seed in range(seeds):
        found = definition(seed, names)
        sayable = without(found, **left_out)
        assert meaning(there_and_back(sayable, format)) == meaning(sayable), f"seed {seed}: {sayable.to_json()}"
        if meaning(sayable) != meaning(found):
            assert write(found, format).notes, f"seed {seed}"


def drawable(name):
    return shown(name) == name


def told(conversion):
    """Returns the notes as text."""
    return [str(note) for note in conversion.notes]


def rows(conversion):
    """Returns the map of a conversion as the document has it."""
    return conversion.definition.to_document()["map"]


def timer(to, ms=None):
    return Timer(to, ms)


def exported(client, found, language):
    """Has the server draw a definition. In one transaction, as timers of a millisecond fire after it."""
    pipeline = client.pipeline(transaction=True)
    pipeline.execute_command("SM.SET", "m", found.to_json())
    pipeline.execute_command("SM.EXPORT", "m", language)
    return pipeline.execute()[1].decode()
