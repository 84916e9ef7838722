"""Documents that many tests use, and what SM.GET must write for them."""

import json

# The example of the design: every reply below is written out by hand from it.
ORDER = b'{"initial":"bar","map":{"bar":["blee","boo"],"boo":["blee"]}}'


def document(mapping, initial, current=None, reason=None):
    """A document as SM.GET writes it: compact, in its order of fields."""
    out = {"current": initial if current is None else current, "map": mapping, "initial": initial}
    if reason is not None:
        out["reason"] = reason
    return json.dumps(out, ensure_ascii=False, separators=(",", ":")).encode()


def order(current="bar", reason=None):
    """ORDER as SM.GET writes it, in one of its states."""
    return document({"bar": ["blee", "boo"], "boo": ["blee"]}, "bar", current, reason)
