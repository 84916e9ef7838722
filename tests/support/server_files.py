"""Files as the server wrote them: where the values of an RDB file are, what an AOF is made of."""

RDB_CONFIG = ["rdbcompression no", "rdbchecksum no"]
EXPIRY_MS = 0xFC
MODULE_ID = 9


def length_at(data, at):
    """A length of the RDB format at `at`: the number, and where it ends."""
    kind, low = data[at] >> 6, data[at] & 0x3F
    if kind == 0:
        return low, at + 1
    if kind == 1:
        return low << 8 | data[at + 1], at + 2
    width = 8 if data[at] == 0x81 else 4
    return int.from_bytes(data[at + 1 : at + 1 + width], "big"), at + 1 + width


def length(number):
    """The same, written in the fewest bytes."""
    if number < 1 << 6:
        return bytes([number])
    if number < 1 << 14:
        return (1 << 14 | number).to_bytes(2, "big")
    return b"\x80" + number.to_bytes(4, "big")


def varint_at(data, at):
    """A varint of docs/format.md at `at`: the number, and where it ends."""
    number = shift = 0
    while True:
        number |= (data[at] & 0x7F) << shift
        at, shift, more = at + 1, shift + 7, data[at] & 0x80
        if not more:
            return number, at


def varint(number):
    out = []
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def value_span(data, key):
    """Where the module's part of a machine begins and ends in an uncompressed RDB file."""
    name = key.encode()
    start = data.index(bytes([len(name)]) + name) + 1 + len(name) + MODULE_ID
    # One string with its opcode; the opcode that ends the value is the server's.
    length, begin = length_at(data, start + 1)
    return start, begin + length


def record(data, key):
    """The record of `docs/format.md` that an uncompressed RDB file holds for a machine."""
    start, end = value_span(data, key)
    return data[length_at(data, start + 1)[1] : end]


def with_expiries_past(data, keys):
    """The file as it will look to a server that opens it when the expiries of `keys` are over."""
    data = bytearray(data)
    for key in keys:
        # Before a key: the opcode and eight bytes of milliseconds, then the value's type.
        at = data.index(bytes([len(key)]) + key.encode()) - 10
        assert data[at] == EXPIRY_MS, f"{key} has an expiry"
        data[at + 1 : at + 9] = (1).to_bytes(8, "little")
    return bytes(data)


def commands(data):
    """The commands of a plain AOF, each with the offset at which it ends."""
    out, at = [], 0
    while at < len(data):
        count, at = line(data, at)
        args = []
        for _ in range(count):
            size, at = line(data, at)
            args.append(data[at : at + size])
            at += size + 2
        out.append((args, at))
    return out


def line(data, at):
    end = data.index(b"\r\n", at)
    return int(data[at + 1 : end]), end + 2
