#!/usr/bin/env python3
"""Imports run one way: a file uses what is in a lower layer, or in its own folder.

    scripts/layers.py [ROOT]     part of `make lint`; says file:line for each use that runs upwards

Unit tests may use anything. What lib.rs re-exports is for other crates, and is the top layer here.
"""

import re
import sys
from pathlib import Path

# From the bottom up. Those on one line don't know each other.
LAYERS = {
    "src/core/src": [
        "escape hash probe limits rules",
        "definition",
        "document",
        "interner",
        "machine",
        "record read",
        "lint export index",
        "lib",
    ],
    "src": [
        "server",
        "stats text config",
        "errors",
        "store replication args",
        "datatype index",
        "commands events",
        "info",
        "lib",
    ],
}
OTHER_CRATES = {"src": ["core", "build.rs"]}  # they lie inside the folder of the adapter

UNSEEN = re.compile(r'//.*|/\*[\s\S]*?\*/|"(?:\\[\s\S]|[^"\\])*"' + r"|'(?:\\.|[^'\\])'")
UNIT_TESTS = re.compile(r"#\[cfg\(test\)\]\s*mod\s+\w+\s*\{[\s\S]*")
TOKEN = re.compile(r"\bmod\s+\w+\s*\{|[{}]|\b(?P<path>(?:crate|super)(?:\s*::\s*\w+)*)(?P<group>\s*::\s*\{)?")


def uses(text, module):
    """(offset, what is used as a path from the crate's root) for each `crate::…` and `super::…`."""
    inside = []  # for each open brace, whether it is that of a module
    for token in TOKEN.finditer(text):
        if token[0] == "}":
            inside.pop()
        elif not token["path"]:
            inside.append(token[0] != "{")
        else:
            base = [*module, *["inline"] * sum(inside)]
            first, *names = re.findall(r"\w+", token["path"])
            base = [] if first == "crate" else base[:-1]
            while names and names[0] == "super":
                base, names = base[:-1], names[1:]
            inside += [False] if token["group"] else []
            # A group matters where its names are the layers.
            group = first_names(text[token.end() :]) if token["group"] and not [*base, *names] else [None]
            if names or token["group"]:
                yield from ((token.start(), [*base, *names, *filter(None, [name])]) for name in group)


def first_names(text):
    """The names that a `{a::b, c, d::{e, f}}` begins with, of which the first brace is behind us."""
    depth, start = 0, True
    for part in re.finditer(r"[{},]|\w+", text):
        depth += {"{": 1, "}": -1}.get(part[0], 0)
        if depth < 0:
            return
        if start and part[0] not in "{},":
            yield part[0]
        start = depth == 0 and part[0] == ","


def check(root, folder):
    """What runs upwards in one crate, as lines of text."""
    level = {name: at for at, names in enumerate(LAYERS[folder]) for name in names.split()}
    for file in sorted((root / folder).rglob("*.rs")):
        place = file.relative_to(root / folder)
        if place.parts[0] in OTHER_CRATES.get(folder, []):
            continue
        module = [part for part in place.with_suffix("").parts if part not in ("mod", "lib")]
        own = module[0] if module else "lib"
        if own not in level:
            yield f"{file.relative_to(root)}:1: '{own}' is in no layer of scripts/layers.py"
            continue
        text = UNSEEN.sub(lambda unseen: re.sub(r"[^\n]", " ", unseen[0]), file.read_text())
        for offset, used in uses(UNIT_TESTS.sub("", text), module):
            other = used[0] if used and used[0] in level else "lib"
            if other != own and level[other] >= level[own]:
                line = text.count("\n", 0, offset) + 1
                yield f"{file.relative_to(root)}:{line}: {own} is not above {other}, and uses it ({'::'.join(used)})"


if __name__ == "__main__":
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1]
    problems = [problem for folder in LAYERS for problem in check(root, folder)]
    print(*problems, sep="\n", end="\n" if problems else "")
    sys.exit(bool(problems))
