"""A workflow with most of what a document can say, and what the tests of moves expect on the wire."""

import json

from harness import bulk

WRONGTYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
SHOP = json.dumps(
    {
        "map": {
            "new": {"pay": "paid", "cancel": "void", "archive": []},
            "paid": {"ship": "sent", "refund": ["back", "partly"], "": "kept"},
            "sent": ["kept", "paid"],
            "kept": {"archive": "sent"},
        },
        "any": {"archive": "archived", "lose": ["lost", "archived"], "void": "void"},
        "initial": "new",
    }
)


def verdict(what, state, version):
    """Returns the bytes of a verdict."""
    return b"*3\r\n" + bulk(what) + bulk(state) + b":%d\r\n" % version
