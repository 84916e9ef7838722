"""Damages payloads: either the raw bytes, or a field, with the lengths around it corrected."""

import itertools

from payloads import (
    EARLIER,
    FIRST,
    FIRST_VECTORS,
    FORM,
    HISTORY,
    IDS,
    LETTERS,
    REASON,
    TIMES,
    VECTORS,
    VERSION,
    Record,
    unwrap,
    wrap,
)
from server_files import FOOTER, varint

EXTREMES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63, 2**64 - 1]

# ---- damage to bytes ------------------------------------------------------------------------------


def flip(rng, value):
    for _ in range(rng.randint(1, 4)):
        value[rng.randrange(len(value))] ^= 1 << rng.randrange(8)


def overwrite(rng, value):
    """Overwrites bytes with an extreme length, count or offset of any width and byte order."""
    width = rng.choice([1, 2, 4, 8])
    at = rng.randrange(len(value))
    number = rng.choice(EXTREMES) % (1 << (8 * width))
    value[at : at + width] = number.to_bytes(width, rng.choice(["little", "big"]))


def nudge(rng, value):
    at = rng.randrange(len(value))
    value[at] = (value[at] + rng.choice([-2, -1, 1, 2])) % 256


def truncate(rng, value):
    del value[rng.randrange(len(value)) :]


def insert(rng, value):
    at = rng.randrange(len(value))
    value[at:at] = rng.randbytes(rng.choice([1, 1, 4, 8, 100]))


def remove(rng, value):
    at = rng.randrange(len(value))
    del value[at : at + rng.choice([1, 1, 4, 8])]


def swap(rng, value):
    """Copies a piece of the payload over another piece."""
    size = rng.choice([1, 2, 4, 8, 16])
    source, target = rng.randrange(len(value)), rng.randrange(len(value))
    value[target : target + size] = value[source : source + size]


DAMAGE = [flip, overwrite, overwrite, nudge, truncate, insert, remove, swap]


def damaged(rng, data):
    value = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if len(value) > 1:
            rng.choice(DAMAGE)(rng, value)
    return bytes(value)


# ---- damage to fields -----------------------------------------------------------------------------


def other_flags(rng, record):
    if rng.random() < 0.5:
        record.flags ^= rng.choice([REASON, VERSION, IDS, TIMES, HISTORY, 0x80])
        return
    record.flags = rng.choice([FIRST, EARLIER, EARLIER, FORM, REASON, REASON | FIRST, VERSION, 0x80])
    if record.flags & FORM == EARLIER and rng.random() < 0.5:
        record.header = None


def other_state(rng, record):
    near = varint(rng.randrange(len(record.name_ends) + 2))
    far = varint(rng.choice(EXTREMES) % 2**32)
    record.state = rng.choice([near, near, far, b"\x80\x00", b"\x80" * 5, b"\xff" * 4 + b"\x1f"])


def other_reason(rng, record):
    record.flags |= REASON
    record.reason = rng.choice([b"", b"why", 'é🚀\0"'.encode(), b"\xff", b"\xc3", b"\xed\xa0\x80", b"x" * 300])
    record.part_errors["reason"] = rng.choice([0, 0, 0, 1, -1, 2**31])


def other_varint(rng, record):
    """Changes the version or a time: near, extreme, or not in its only spelling."""
    field = rng.choice(["version", "entered", "deadline"])
    record.flags |= VERSION if field == "version" else TIMES
    limits = [2**32 - 1, 2**32, 2**53 - 1, 2**53, 2**54, 2**54 + 1, rng.randrange(10**13)]
    numbers = [varint(n) for n in [*EXTREMES, *limits, 2**64]]
    setattr(record, field, rng.choice([*numbers, b"\x80\0", b"\xff" * 10]))


def other_part(rng, record):
    """Damages the request ids or the history within a length that fits, or makes others."""
    part, flag = rng.choice([("ids", IDS), ("history", HISTORY)])
    if record.flags & flag and rng.random() < 0.5:
        setattr(record, part, damaged(rng, getattr(record, part)))
    elif part == "ids":
        record.ids = b"".join(random_id(rng, record) for _ in range(rng.choice([1, 2, 8, 9])))
    else:
        record.history = random_history(rng, record)
    if rng.random() < 0.1:
        record.part_errors[part] = rng.choice([-1, 1, 2**16, 2**31])
    record.flags |= flag


# ---- request ids and histories ------------------------------------------------------------------------


def texted(text):
    return varint(len(text)) + text


def name(number):
    return varint(2 * number)


def as_text(text):
    return varint(2 * len(text) + 1) + text


def an_id(kind=3, token=b"t", names=(), state=b"\0", version=1):
    return bytes([kind]) + texted(token) + b"".join(names) + state + varint(version)


def an_entry(head=0, pause=0, to=b"\0", *more):
    return bytes([head]) + varint(pause) + to + b"".join(more)


def a_history(*entries, last=2**53 - 1, user=b"me", came_from=None, count=None):
    head = bytes([(len(entries) if count is None else count) % 256]) + varint(last)
    came = b"" if came_from is None else came_from
    return head + varint(2 * len(user) + (came_from is not None)) + user + came + b"".join(entries)


def random_name(rng, record):
    states = max(1, len(record.name_ends))
    texts = [as_text(text) for text in (b"gone", b"gone" * 256, b"g" * 1025, b"", b"\xff")]
    if rng.random() < 0.9:
        return name(rng.randrange(states))
    return rng.choice([name(states), *texts, as_text(record.name(rng.randrange(states)))])


def random_id(rng, record):
    kind = rng.choice([0, 1, 2, 3, 4, 8] * 4 + [rng.randrange(256)])
    count = (kind & 7 < 3) + (kind == 8)
    token = rng.choice([rng.randbytes(1).hex().encode()] * 8 + [b"", b"t" * 64, b"t" * 65])
    names = [random_name(rng, record) for _ in range(count)]
    return an_id(kind, token, names, random_name(rng, record), rng.choice([1, 7, 2**32 - 1] * 5 + [0, 2**32]))


def random_history(rng, record):
    entries = []
    for i in range(rng.choice([0, 1, 2, 3, 5, 6])):
        head = rng.choice([0 if i == 0 else 2, 2, rng.choice([2, 3, 6]) | 1 << rng.randrange(3, 8), rng.randrange(256)])
        pause = 0 if i == 0 else rng.choice([0, 5, 5, 5, 2**53 - 1, 2**53, 2**64 - 1])
        more = [random_name(rng, record)] if head & 8 else []
        texts = [b"you", b"me", b"x", b"", b"x" * 257, b"x" * 1025, b"\xff"]
        for bit in (16, 32, 64, 128):
            if head & bit:
                more.append(texted(rng.choice(texts[:3] if rng.random() < 0.8 else texts)))
        entries.append(an_entry(head, pause, random_name(rng, record), *more))
    if entries and rng.random() < 0.5:
        entries[-1] = an_entry(2 if entries[1:] else 0, 0, record.state_name())
    is_new = bool(entries) and entries[0][0] & 7 == 0
    came_from = random_name(rng, record) if rng.random() < 0.1 or not is_new else None
    last = rng.choice([2**53 - 1] * 6 + [0, 2**53, 2**64 - 1])
    user = rng.choice([b"me", b"me", b"me", b"", b"\xff", b"u" * 256, b"u" * 257])
    return a_history(*entries, last=last, user=user, came_from=came_from, count=rng.choice([*[None] * 8, 0, 255]))


# ---- the archive ------------------------------------------------------------------------------------


def other_header(rng, record):
    header = bytearray(record.header)
    nudge(rng, header)
    record.header = bytes(header) if rng.random() < 0.8 else None


def other_length(rng, record):
    record.length_error = rng.choice([-36, -1, 1, 4, 2**30, 2**31])


def other_body(rng, record):
    record.raw_body = damaged(rng, record.body())


def other_letters(rng, record):
    record.names = damaged(rng, record.names)
    if record.name_ends and rng.random() < 0.5:
        record.name_ends[-1] = len(record.names)


def other_name(rng, record):
    """Changes a name: longer, empty, not UTF-8, part of a character, or the name of another state."""
    states = range(len(record.name_ends))
    names = [b"", b"n" * 300, b"\xff", b"\xf0\x9f\x9a", '"\\\n\x7f\u2028🚀'.encode(), rng.randbytes(3)]
    record.rename(rng.choice(states), rng.choice([*names, record.name(rng.choice(states))]))


def other_number(rng, record):
    """Changes one number of a vector: near, extreme, removed, repeated, or swapped."""
    vector = getattr(record, rng.choice([name for name in VECTORS if name not in LETTERS and getattr(record, name)]))
    at, to = rng.randrange(len(vector)), rng.randrange(len(vector))
    change = rng.randrange(5)
    if change < 2:
        vector[at] = vector[at] + rng.choice([-1, 1]) if change else rng.choice(EXTREMES)
    elif change < 4:
        vector[at : at + 1] = [] if change == 2 else [vector[at]] * 2
    else:
        vector[at], vector[to] = vector[to], vector[at]


def other_target(rng, record):
    """Inserts a target into a row, and corrects the row ends."""
    if record.row_ends:
        row = rng.randrange(len(record.row_ends))
        start, end = ([0] + record.row_ends)[row : row + 2]
        record.targets.insert(rng.randint(start, end), rng.randrange(len(record.name_ends) + 1))
        record.lengthen(row, 1)


def other_row(rng, record):
    """Adds or removes whole rows, without their targets."""
    if rng.random() < 0.5:
        record.row_ends += [len(record.targets)] * rng.choice([1, 2, len(record.name_ends) + 1])
    else:
        record.row_ends, record.targets = record.row_ends[:-1], record.targets[: ([0, 0] + record.row_ends)[-2]]


def other_states(rng, record):
    """Adds states that no transition leads to, or removes all states."""
    for name in rng.choice([[b""], [b"new"], [b"new", b"newer"]]):
        record.names += name
        record.name_ends.append(len(record.names))
    if rng.random() < 0.2:
        record.names, record.name_ends, record.row_ends, record.targets = b"", [], [], []


def other_initial(rng, record):
    record.initial = rng.choice([rng.randrange(len(record.name_ends) + 2), rng.choice(EXTREMES) % 2**32])


def other_event(rng, record):
    """Changes the name of an event: longer, empty, not UTF-8, or the name of another."""
    if record.event_ends:
        event = rng.randrange(len(record.event_ends))
        names = [b"", b"n" * 300, b"\xff", b"\xf0\x9f", record.event_names[:1], b"go", b"e"]
        record.rename(event, rng.choice(names), "event_names", "event_ends")


def other_group(rng, record):
    """Gives a row one more group, of any event, and corrects the ends of groups."""
    if record.row_groups:
        row = rng.randrange(len(record.row_groups))
        start, end = ([0] + record.row_groups)[row : row + 2]
        at = rng.randint(start, end)
        record.group_events.insert(at, rng.randrange(len(record.event_ends) + 2))
        record.group_ends.insert(at, ([0] + record.group_ends)[at] if rng.random() < 0.5 else record.row_ends[row])
        record.row_groups = [end + (i >= row) for i, end in enumerate(record.row_groups)]
    else:
        # No row has a named event. Now all have.
        record.rares, record.event_names, record.event_ends = 1, b"e", [1]
        record.group_events, record.group_ends = [1] * len(record.row_ends), list(record.row_ends)
        record.row_groups = list(range(1, len(record.row_ends) + 1))


def other_any(rng, record):
    """Adds an event to `any`, known or new."""
    record.rares, event = 1, rng.randint(0, len(record.event_ends) + 1)
    if event == len(record.event_ends) + 1 and rng.random() < 0.8:
        record.event_names += b"any"
        record.event_ends.append(len(record.event_names))
    record.any_events.append(event)
    record.any_targets += [rng.randrange(len(record.name_ends) + 1) for _ in range(rng.choice([0, 1, 1, 2]))]
    record.any_ends.append(len(record.any_targets))
    if rng.random() < 0.3:
        record.adjacency = []


def other_timer(rng, record):
    """Adds a timer, with times and a history as far as the machine had them."""
    states = len(record.name_ends)
    record.rares = 1
    record.after_states.append(rng.randrange(states + 1))
    record.after_ms.append(rng.choice([0, 1, 5000, 2**53 - 1, 2**53, 2**64 - 1]))
    record.after_targets.append(rng.choice([rng.randrange(states + 1), 2**32 - 1]))
    record.flags |= TIMES
    if rng.random() < 0.7:
        record.deadline = varint(rng.choice([0, 1, 2, 10_000]))


def other_rare(rng, record):
    """Changes the history's limit, the label or the revision, or how many `Rare` there are."""
    change = rng.randrange(4)
    if change == 0:
        record.limit = rng.choice([0, 1, 2, 255, 256, 2**32 - 1])
        if rng.random() < 0.5:
            record.flags |= HISTORY | TIMES
            record.history = a_history(an_entry(to=record.state_name()))
    elif change == 1:
        record.label = rng.choice([b"", b"n", "é".encode() * 128, b"n" * 257, b"\xff"])
    elif change == 2:
        record.revision = rng.choice([[], [0], [2**32 - 1], [1, 2]])
    record.rares = 1 if change < 3 else rng.choice([0, 1, 2])


def other_bits(rng, record):
    """Changes a bit of the adjacency, or its length."""
    if record.adjacency and rng.random() < 0.8:
        record.adjacency[rng.randrange(len(record.adjacency))] ^= 1 << rng.randrange(64)
    else:
        record.adjacency = rng.choice([[], record.adjacency + [0], record.adjacency[:-1], [2**64 - 1] * 99])


def other_archive(rng, record):
    """Makes the archive what release 1.0 wrote. What that hasn't must then not be there."""
    record.as_version_1()
    record.flags &= ~rng.choice([0, VERSION | IDS | TIMES | HISTORY])


def other_pointer(rng, record):
    errors = rng.choice([record.pointer_errors, record.count_errors])
    errors[rng.choice([*VECTORS, "rare", "rare"])] = rng.choice([-8, -4, -1, 1, 4, 8, 2**30, 2**31, -(2**31) + 1])


def other_layout(rng, record):
    """Lays out the same definition as no encoder would."""
    layout = rng.randrange(4)
    if layout < 2:
        record.gaps[rng.choice(VECTORS)] = rng.randbytes(rng.choice([1, 4, 36]))
    elif layout == 2:
        record.order = rng.sample(VECTORS, len(VECTORS))
    else:
        record.shared[rng.choice(VECTORS)] = rng.choice(VECTORS)


FIELDS = [
    other_flags,
    other_state,
    other_reason,
    other_header,
    other_length,
    other_body,
    other_body,
    other_letters,
    other_name,
    other_name,
    other_number,
    other_number,
    other_target,
    other_target,
    other_row,
    other_states,
    other_initial,
    other_pointer,
    other_layout,
    other_varint,
    other_varint,
    other_part,
    other_part,
    other_part,
    other_event,
    other_group,
    other_group,
    other_any,
    other_any,
    other_timer,
    other_timer,
    other_rare,
    other_rare,
    other_bits,
    other_archive,
]


def forge(rng, payload):
    """Damages a payload: anywhere before the checksum, or in a field with all lengths corrected."""
    parts = unwrap(payload)
    if parts is None or rng.random() < 0.5:
        return damaged(rng, payload[:-FOOTER]) + payload[-FOOTER:]
    around, string = parts
    if string.startswith(b"{"):
        return wrap(around, damaged(rng, string))
    record = Record(string)
    rng.choice(FIELDS)(rng, record)
    return wrap(around, record.write())


def systematic(payload):
    """Yields every truncation, and the payload with each byte set to each of a few values."""
    value, footer = payload[:-FOOTER], payload[-FOOTER:]
    for end in range(len(value)):
        yield value[:end] + footer
    for at in range(len(value)):
        for byte in (0x00, 0x01, 0x7F, 0x80, 0xFF, value[at] ^ 0x01):
            yield value[:at] + bytes([byte]) + value[at + 1 :] + footer


def cuts(data):
    """Yields every truncation, and the bytes with one byte less or more at each place."""
    for at in range(len(data)):
        yield data[:at]
        yield data[:at] + data[at + 1 :]
        yield data[:at] + b"\0" + data[at:]


def refitted(payload):
    """Yields the cuts of the string and of the archive's body, with the lengths around them corrected."""
    around, string = unwrap(payload)
    yield from (wrap(around, cut) for cut in cuts(string))
    if not string.startswith(b"{"):
        record = Record(string)
        for cut in cuts(record.body()):
            record.raw_body = cut
            yield wrap(around, record.write())
        for part, flag in (("ids", IDS), ("history", HISTORY)):
            for cut in cuts(getattr(record, part)) if record.flags & flag else ():
                record = Record(string)
                setattr(record, part, cut)
                yield wrap(around, record.write())


def layouts():
    """Yields orders of the vectors: of the first ones each, of the others those with two of them swapped."""
    for order in itertools.permutations(FIRST_VECTORS):
        yield (*order, *VECTORS[len(FIRST_VECTORS) :])
    for one, other in itertools.combinations(range(len(VECTORS)), 2):
        order = list(VECTORS)
        order[one], order[other] = order[other], order[one]
        yield order


def misfits(payload):
    """Yields well-formed but wrong fields, and the definition in every layout except the canonical one."""
    around, string = unwrap(payload)
    changes = [("flags", FIRST), ("flags", EARLIER), ("state", b"\x80\0"), ("state", varint(10_000))]
    changes += [("header", None), ("name_ends", []), ("row_ends", [0] * 1000)]
    changes += [("order", order) for order in layouts()]
    changes += [("gaps", {name: b"\0" * size}) for name in VECTORS for size in (1, 4)]
    changes += [("shared", {name: other}) for name, other in itertools.permutations(VECTORS, 2)]
    changes += [("rares", 0), ("rares", 1), ("rares", 2), ("adjacency", []), ("adjacency", [0] * 9)]
    for field, value in changes:
        record = Record(string)
        setattr(record, field, value)
        if record.write() != string:
            yield wrap(around, record.write())


def expanding(payload):
    """Returns an archive of some tens of kilobytes whose document has more than 64 MiB."""
    around, string = unwrap(payload)
    record = Record(string)
    record.rename(0, b"n" * 40_000)
    record.targets = [0] * 2000 + record.targets
    record.lengthen(0, 2000)
    return wrap(around, record.write())


# ---- one payload for each new reason to refuse -----------------------------------------------------------


def forget_all(record):
    """Leaves a `Rare` with nothing in it."""
    for vector in VECTORS[len(FIRST_VECTORS) + 1 :]:
        setattr(record, vector, b"" if vector in LETTERS else [])
    record.limit = 0


def forget_times(record):
    record.after_states, record.after_ms, record.after_targets, record.limit = [], [], [], 0


def be(**fields):
    """Returns a change to these fields."""

    def change(record):
        for field, value in fields.items():
            setattr(record, field, value)

    return change


def without(flag):
    def change(record):
        record.flags &= ~flag

    return change


def rename_event(event, new):
    return lambda record: record.rename(event, new, "event_names", "event_ends")


NEW, MOVE = an_entry(0, 0, name(0)), an_entry(2, 0, name(1))
# Changes to RICH of the test, in state 1, by the reason for which each is refused.
WRONG = {
    "machine version": be(version=varint(1)),
    "part length": be(ids=b""),
    "part text": be(ids=an_id(token=b"\xff")),
    "part trailing": be(history=a_history(NEW, MOVE, b"\0", count=2)),
    "part state": be(ids=an_id(1, names=[name(99)])),
    "part event": be(ids=an_id(0, names=[name(99)])),
    "known name": be(ids=an_id(1, names=[as_text(b"a")])),
    "request kind": be(ids=an_id(7)),
    "ids: version": be(ids=an_id(version=0)),
    "ids: twice": be(ids=an_id() * 2),
    "ids: many": be(ids=b"".join(an_id(token=b"%d" % i) for i in range(9))),
    "times: needless": forget_times,
    "times: missing": without(TIMES),
    "times: entry": be(entered=varint(2**53)),
    "times: deadline": be(deadline=varint(2**54 + 2)),
    "times: no timer": be(state=varint(2)),
    "times: not given": be(deadline=varint(1)),
    "times: no deadline": be(state=varint(0), deadline=varint(0)),
    "history: missing": without(HISTORY),
    "history: early": be(history=a_history(NEW, MOVE, last=5)),
    "history: kind": be(history=a_history(an_entry(7), MOVE)),
    "history: entries": be(limit=1),
    "history: time": be(history=a_history(NEW, MOVE, last=2**53)),
    "history: event": be(history=a_history(NEW, an_entry(2 | 8, 0, name(1), name(0)))),
    "history: oldest": be(history=a_history(an_entry(0, 5), MOVE)),
    "history: from": be(history=a_history(NEW, MOVE, came_from=name(0))),
    "history: new": be(history=a_history(NEW, an_entry(0, 0, name(1)))),
    "history: end": be(history=a_history(NEW, an_entry(2, 0, name(0)))),
    "history: user": be(history=a_history(NEW, an_entry(2 | 16, 0, name(1), texted(b"me")))),
    "history: 1970": be(history=a_history(NEW, an_entry(2, 2**53, name(1)))),
    "rare": forget_all,
    "event names": rename_event(0, b"\xff"),
    "event numbering": be(any_events=[9, 8]),
    "groups": lambda record: record.group_events.__setitem__(0, record.group_events[1]),
    "any": be(any_events=[0]),
    "timers": be(after_states=[9, 9]),
    "limit": be(limit=256),
    "label": be(label=b"\xff"),
    "revision": be(revision=[1, 2]),
    "repeated name": rename_event(1, b"go"),
}


def wrong(payload):
    """Yields RICH with each of the changes, and the reason for which it is refused."""
    around, string = unwrap(payload)
    for why, change in WRONG.items():
        record = Record(string)
        change(record)
        yield why, wrap(around, record.write())
