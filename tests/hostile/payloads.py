"""Takes payloads of DUMP apart into the fields of docs/format.md, and puts them together again."""

import struct

from server_files import MODULE_ID, length, length_at, varint, varint_at


def unwrap(payload):
    """Returns the bytes before the string, the bytes after it, and the string; None if it is compressed."""
    start = MODULE_ID + 2
    if payload[start] >> 6 == 3:
        return None
    size, begin = length_at(payload, start)
    return (payload[:start], payload[begin + size :]), payload[begin : begin + size]


def wrap(around, string):
    """Returns the payload of a string, with the string's current length."""
    return around[0] + length(len(string)) + string + around[1]


def encoded_as(around, encoding):
    """Returns what is around a string, with another encoding in the module's ID."""
    return around[0][:MODULE_ID] + bytes([encoding]) + around[0][MODULE_ID + 1 :], around[1]


# Vectors in the order of their elements. Each has a pointer and a count in a root.
FIRST_VECTORS = ("names", "name_ends", "row_ends", "targets")
PLAIN_VECTORS = (*FIRST_VECTORS, "adjacency")
EVENT_VECTORS = ("event_names", "event_ends", "group_events", "group_ends", "row_groups")
RARE_VECTORS = (
    *EVENT_VECTORS,
    *("any_events", "any_ends", "any_targets", "after_states", "after_ms", "after_targets", "label", "revision"),
)
VECTORS = PLAIN_VECTORS + RARE_VECTORS
# What isn't a vector of numbers of four bytes.
LETTERS = ("names", "event_names", "label")
LONG_NUMBERS = ("adjacency", "after_ms")
# The roots as their fields lie. `initial` and `limit`, of the history, are numbers.
FIRST_ROOT = (*FIRST_VECTORS, "initial")
ROOT = (*FIRST_ROOT, "adjacency", "rare")
RARE_ROOT = (*RARE_VECTORS[:-2], "limit", "label", "revision")
NUMBERS = ("initial", "limit")
HEADER = 8
FORM, FIRST, EARLIER, REASON = 0b011, 1, 2, 0b100
VERSION, IDS, TIMES, HISTORY = 8, 16, 32, 64


class Record:
    """The fields of a record of docs/format.md. `write` corrects all lengths, counts and pointers, except
    those that are meant to be wrong. Without a `Rare`, its fields are empty and `rares` is 0."""

    def __init__(self, record):
        self.flags, self.number = record[0], b"a number"
        self.reason = self.ids = self.history = b""
        self.version, self.entered, self.deadline = varint(2), varint(1), varint(0)
        self.state, at = number_at(record, 1)
        if self.flags & VERSION:
            self.version, at = number_at(record, at)
        if self.flags & TIMES:
            self.entered, at = number_at(record, at)
            self.deadline, at = number_at(record, at)
        for name, flag in (("reason", REASON), ("ids", IDS), ("history", HISTORY)):
            if self.flags & flag:
                size, at = varint_at(record, at)
                setattr(self, name, record[at : at + size])
                at += size
        self.header = record[at : at + HEADER]
        self.archive_version = self.header[4]
        self._read_body(record[at + HEADER + 4 :])
        self.order, self.gaps, self.shared, self.raw_body = VECTORS, {}, {}, None
        # By the name of a part or vector.
        self.part_errors, self.length_error, self.pointer_errors, self.count_errors = {}, 0, {}, {}

    def _read_body(self, body):
        for name in VECTORS:
            setattr(self, name, b"" if name in LETTERS else [])
        self.limit = self.rares = 0
        root = FIRST_ROOT if self.archive_version == 1 else ROOT
        starts = self._read_root(body, root, len(body) - root_bytes(root))
        if self.rares:
            self._read_root(body, RARE_ROOT, starts["rare"])

    def _read_root(self, body, root, at):
        starts = {}
        for name in root:
            if name in NUMBERS:
                setattr(self, name, struct.unpack_from("<I", body, at)[0])
                at += 4
                continue
            pointer, count = struct.unpack_from("<iI", body, at)
            starts[name] = at + pointer
            if name == "rare":
                self.rares = count
            else:
                setattr(self, name, elements(name, body, at + pointer, count))
            at += 8
        return starts

    def write(self):
        out = bytes([self.flags]) + self.state
        if self.flags & VERSION:
            out += self.version
        if self.flags & TIMES:
            out += self.entered + self.deadline
        for name, flag in (("reason", REASON), ("ids", IDS), ("history", HISTORY)):
            if self.flags & flag:
                part = getattr(self, name)
                out += varint((len(part) + self.part_errors.get(name, 0)) % 2**32) + part
        if self.flags & FORM:
            out += self.number
        return out + self.archive()

    def archive(self):
        if self.header is None:
            return b""
        body = self.body() if self.raw_body is None else self.raw_body
        return self.header + struct.pack("<I", (len(body) + self.length_error) % 2**32) + body

    def as_version_1(self):
        """Makes it what release 1.0 wrote: without adjacency, and without what wasn't there."""
        self.archive_version = 1
        self.header = self.header[:4] + b"\1" + self.header[5:]
        return self

    def body(self):
        """Returns the vectors in their order, the root of each `Rare`, and the root."""
        out, starts = b"", {}
        there = FIRST_VECTORS if self.archive_version == 1 else VECTORS if self.rares else PLAIN_VECTORS
        for name in self.order:
            if name in there:
                out += self.gaps.get(name, b"")
                starts[name] = len(out)
                out += packed(name, getattr(self, name))
        starts |= {name: starts[other] for name, other in self.shared.items() if {name, other} <= starts.keys()}
        starts["rare"] = len(out)
        for _ in range(self.rares if self.archive_version > 1 else 0):
            out += self._root(RARE_ROOT, starts, len(out))
        return out + self._root(FIRST_ROOT if self.archive_version == 1 else ROOT, starts, len(out))

    def _root(self, root, starts, begin):
        out = b""
        for name in root:
            if name in NUMBERS:
                out += struct.pack("<I", getattr(self, name) % 2**32)
                continue
            pointer = starts[name] - begin - len(out) + self.pointer_errors.get(name, 0)
            count = self.rares if name == "rare" else len(getattr(self, name))
            out += struct.pack("<II", pointer % 2**32, (count + self.count_errors.get(name, 0)) % 2**32)
        return out

    def rename(self, state, name, names="names", ends="name_ends"):
        """Gives a state (or an event) another name, and moves the name ends after it."""
        numbers, letters = getattr(self, ends), getattr(self, names)
        start, end = ([0] + numbers)[state : state + 2]
        setattr(self, names, letters[:start] + name + letters[end:])
        grown = len(name) - (end - start)
        setattr(self, ends, [at + grown if i >= state else at for i, at in enumerate(numbers)])

    def name(self, state):
        start, end = ([0] + self.name_ends)[state : state + 2]
        return self.names[start:end]

    def state_name(self):
        """Returns the current state as request ids and history name it."""
        return varint(2 * varint_at(self.state + b"\0", 0)[0])

    def lengthen(self, row, by):
        """Moves the ends of rows and groups from a row on, after targets were inserted or removed."""
        start = ([0] + self.row_ends)[row]
        self.row_ends = [at + by if i >= row else at for i, at in enumerate(self.row_ends)]
        self.group_ends = [at + by if at > start else at for at in self.group_ends]


def root_bytes(root):
    return sum(4 if name in NUMBERS else 8 for name in root)


def number_at(record, at):
    """Returns the bytes of a varint, and the offset after it."""
    _, end = varint_at(record, at)
    return record[at:end], end


def elements(name, body, at, count):
    if name in LETTERS:
        return body[at : at + count]
    return list(struct.unpack_from(f"<{count}{'Q' if name in LONG_NUMBERS else 'I'}", body, at))


def packed(name, vector):
    if name in LETTERS:
        return vector
    letter, size = ("<Q", 2**64) if name in LONG_NUMBERS else ("<I", 2**32)
    return b"".join(struct.pack(letter, n % size) for n in vector)
