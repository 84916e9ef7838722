"""Reads files that the server wrote: finds values in RDB files and commands in AOFs."""

from harness import ROOT

RDB_CONFIG = ["rdbcompression no", "rdbchecksum no"]
EXPIRY_MS = 0xFC
MODULE_ID = 9
# The length of the end of a DUMP payload: the version of the file format and a checksum.
FOOTER = 10


def length_at(data, at):
    """Reads a length of the RDB format at `at`. Returns the number and the offset after it."""
    kind, low = data[at] >> 6, data[at] & 0x3F
    if kind == 0:
        return low, at + 1
    if kind == 1:
        return low << 8 | data[at + 1], at + 2
    width = 8 if data[at] == 0x81 else 4
    return int.from_bytes(data[at + 1 : at + 1 + width], "big"), at + 1 + width


def length(number):
    """Writes a length of the RDB format in the fewest bytes."""
    if number < 1 << 6:
        return bytes([number])
    if number < 1 << 14:
        return (1 << 14 | number).to_bytes(2, "big")
    return b"\x80" + number.to_bytes(4, "big")


def varint_at(data, at):
    """Reads a varint of docs/format.md at `at`. Returns the number and the offset after it."""
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
    """Returns where the module's part of a machine begins and ends in an uncompressed RDB file."""
    name = key.encode()
    start = data.index(bytes([len(name)]) + name) + 1 + len(name) + MODULE_ID
    # The part is one string with its opcode. The opcode that ends the value is the server's.
    length, begin = length_at(data, start + 1)
    return start, begin + length


def record(data, key):
    """Returns the record (docs/format.md) of a machine in an uncompressed RDB file."""
    start, end = value_span(data, key)
    return data[length_at(data, start + 1)[1] : end]


def crc64(data):
    """Returns the checksum of DUMP payloads: CRC-64 of Jones, reflected."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x95AC9329AC4BC9B5 if crc & 1 else 0)
    return crc


def checked(payload):
    """Returns a DUMP payload with its checksum corrected."""
    return payload[:-8] + crc64(payload[:-8]).to_bytes(8, "little")


def payload_out_of_file(data, key, dump):
    """Returns the value of a machine in an uncompressed RDB file as a payload for RESTORE, as a tool that
    takes the file apart would. Type, module and footer come from `dump`, a payload of another machine."""
    start, end = value_span(data, key)
    module = dump[: 1 + MODULE_ID]
    return checked(module + data[start:end] + b"\x00" + dump[-FOOTER:])


def legacy_payload(document):
    """Returns a payload with a document of the old module."""
    dump = (ROOT / "tests/data/legacy/encver1.dump").read_bytes()
    opcode = dump[1 + MODULE_ID : 2 + MODULE_ID]
    value = opcode + length(len(document)) + document + b"\x00"
    return checked(dump[: 1 + MODULE_ID] + value + dump[-FOOTER:])


def with_expiries_past(data, keys):
    """Returns the file with the expiries of `keys` set to the past."""
    data = bytearray(data)
    for key in keys:
        # Before a key: the opcode and eight bytes of milliseconds, then the value's type.
        at = data.index(bytes([len(key)]) + key.encode()) - 10
        assert data[at] == EXPIRY_MS, f"{key} has an expiry"
        data[at + 1 : at + 9] = (1).to_bytes(8, "little")
    return bytes(data)


def commands(data):
    """Returns the commands of a plain AOF, each with the offset at which it ends."""
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
