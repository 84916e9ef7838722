"""Documents that many tests use, and the replies of SM.GET to them."""

import json

# The example of the design. The tests write the replies for it by hand.
ORDER = b'{"initial":"bar","map":{"bar":["blee","boo"],"boo":["blee"]}}'


def document(mapping, initial, current=None, reason=None):
    """Returns a document as SM.GET writes it: compact, with the fields in its order."""
    out = {"current": initial if current is None else current, "map": mapping, "initial": initial}
    if reason is not None:
        out["reason"] = reason
    return json.dumps(out, ensure_ascii=False, separators=(",", ":")).encode()


def order(current="bar", reason=None):
    """Returns ORDER in one of its states, as SM.GET writes it."""
    return document({"bar": ["blee", "boo"], "boo": ["blee"]}, "bar", current, reason)
