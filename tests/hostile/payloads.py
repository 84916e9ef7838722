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


VECTORS = ("names", "name_ends", "row_ends", "targets")
# Each vector has a pointer and a count there. The initial state follows.
ROOT_BYTES = 36
HEADER = 8
FORM, FIRST, EARLIER, REASON = 0b011, 1, 2, 0b100


class Record:
    """The fields of a record of docs/format.md. `write` corrects all lengths, counts and pointers, except
    those that are meant to be wrong."""

    def __init__(self, record):
        self.flags, self.reason, self.number = record[0], b"", b"a number"
        state, at = varint_at(record, 1)
        self.state = varint(state)
        if self.flags & REASON:
            size, at = varint_at(record, at)
            self.reason, at = record[at : at + size], at + size
        # A record without an archive has no header.
        self.header = record[at : at + HEADER]
        self._read_body(record[at + HEADER + 4 :])
        self.order, self.gaps, self.shared, self.raw_body = VECTORS, {}, {}, None
        self.reason_error, self.length_error, self.pointer_errors, self.count_errors = 0, 0, {}, {}

    def _read_body(self, body):
        for name, place in zip(VECTORS, range(len(body) - ROOT_BYTES, len(body), 8)):
            pointer, count = struct.unpack_from("<iI", body, place)
            setattr(self, name, elements(name, body, place + pointer, count))
        (self.initial,) = struct.unpack_from("<I", body, len(body) - 4)

    def write(self):
        out = bytes([self.flags]) + self.state
        if self.flags & REASON:
            out += varint((len(self.reason) + self.reason_error) % 2**32) + self.reason
        if self.flags & FORM:
            out += self.number
        return out + self.archive()

    def archive(self):
        if self.header is None:
            return b""
        body = self.body() if self.raw_body is None else self.raw_body
        return self.header + struct.pack("<I", (len(body) + self.length_error) % 2**32) + body

    def body(self):
        out, starts = b"", {}
        for name in self.order:
            out += self.gaps.get(name, b"")
            starts[name] = len(out)
            out += packed(getattr(self, name))
        starts |= {name: starts[other] for name, other in self.shared.items()}
        for name in VECTORS:
            pointer = starts[name] - len(out) + self.pointer_errors.get(name, 0)
            count = len(getattr(self, name)) + self.count_errors.get(name, 0)
            out += struct.pack("<II", pointer % 2**32, count % 2**32)
        return out + struct.pack("<I", self.initial)

    def rename(self, state, name):
        """Gives a state another name, and moves the name ends after it."""
        start, end = ([0] + self.name_ends)[state : state + 2]
        self.names = self.names[:start] + name + self.names[end:]
        grown = len(name) - (end - start)
        self.name_ends = [at + grown if i >= state else at for i, at in enumerate(self.name_ends)]

    def name(self, state):
        start, end = ([0] + self.name_ends)[state : state + 2]
        return self.names[start:end]

    def lengthen(self, row, by):
        """Moves the row ends from a row on, after targets were inserted or removed."""
        self.row_ends = [at + by if i >= row else at for i, at in enumerate(self.row_ends)]


def elements(name, body, at, count):
    if name == "names":
        return body[at : at + count]
    return list(struct.unpack_from(f"<{count}I", body, at))


def packed(vector):
    return vector if isinstance(vector, bytes) else b"".join(struct.pack("<I", n % 2**32) for n in vector)
