"""Damages payloads: either the raw bytes, or a field, with the lengths around it corrected."""

import itertools

from payloads import EARLIER, FIRST, FORM, REASON, VECTORS, Record, unwrap, wrap
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
    record.flags = rng.choice([FIRST, EARLIER, EARLIER, FORM, REASON, REASON | FIRST, 8, 0x80])
    if record.flags & FORM == EARLIER and rng.random() < 0.5:
        record.header = None


def other_state(rng, record):
    near = varint(rng.randrange(len(record.name_ends) + 2))
    far = varint(rng.choice(EXTREMES) % 2**32)
    record.state = rng.choice([near, near, far, b"\x80\x00", b"\x80" * 5, b"\xff" * 4 + b"\x1f"])


def other_reason(rng, record):
    record.flags |= REASON
    record.reason = rng.choice([b"", b"why", 'é🚀\0"'.encode(), b"\xff", b"\xc3", b"\xed\xa0\x80", b"x" * 300])
    record.reason_error = rng.choice([0, 0, 0, 1, -1, 2**31])


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
    vector = getattr(record, rng.choice([name for name in VECTORS[1:] if getattr(record, name)]))
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


def other_pointer(rng, record):
    errors = rng.choice([record.pointer_errors, record.count_errors])
    errors[rng.choice(VECTORS)] = rng.choice([-8, -4, -1, 1, 4, 8, 2**30, 2**31, -(2**31) + 1])


def other_layout(rng, record):
    """Lays out the same definition as no encoder would."""
    layout = rng.randrange(4)
    if layout < 2:
        record.gaps[rng.choice(VECTORS)] = rng.randbytes(rng.choice([1, 4, 36]))
    elif layout == 2:
        record.order = rng.sample(VECTORS, 4)
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


def misfits(payload):
    """Yields well-formed but wrong fields, and the definition in every layout except the canonical one."""
    around, string = unwrap(payload)
    changes = [("flags", FIRST), ("flags", EARLIER), ("state", b"\x80\0"), ("state", varint(10_000))]
    changes += [("header", None), ("name_ends", []), ("row_ends", [0] * 1000)]
    changes += [("order", order) for order in itertools.permutations(VECTORS)]
    changes += [("gaps", {name: b"\0" * size}) for name in VECTORS for size in (1, 4)]
    changes += [("shared", {name: other}) for name, other in itertools.permutations(VECTORS, 2)]
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
