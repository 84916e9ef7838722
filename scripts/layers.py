#!/usr/bin/env python3
"""Checks that imports run one way: a file may use only lower layers and its own folder.

    scripts/layers.py [ROOT]     part of `make lint`; prints file:line for each use of a higher layer

Unit tests may use anything. The re-exports of lib.rs are for other crates, so lib.rs is the top layer.
"""

import re
import sys
from pathlib import Path

# From the bottom up. The names on one line may not use each other.
LAYERS = {
    "src/core/src": [
        "escape hash prefetch probe limits rules",
        "deadlines",
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
        "errors fields",
        "moment emitted",
        "store replication args",
        "deadlines",
        "datatype index",
        "commands events",
        "info",
        "lib",
    ],
}
OTHER_CRATES = {"src": ["core", "build.rs"]}  # these lie inside the adapter's folder

UNSEEN = re.compile(r'//.*|/\*[\s\S]*?\*/|"(?:\\[\s\S]|[^"\\])*"' + r"|'(?:\\.|[^'\\])'")
UNIT_TESTS = re.compile(r"#\[cfg\(test\)\]\s*mod\s+\w+\s*\{[\s\S]*")
TOKEN = re.compile(r"\bmod\s+\w+\s*\{|[{}]|\b(?P<path>(?:crate|super)(?:\s*::\s*\w+)*)(?P<group>\s*::\s*\{)?")


def uses(text, module):
    """Yields (offset, path from the crate's root) for each `crate::…` and `super::…`."""
    inside = []  # for each open brace, whether it opens a module
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
            # A group matters only if its names are layers.
            group = first_names(text[token.end() :]) if token["group"] and not [*base, *names] else [None]
            if names or token["group"]:
                yield from ((token.start(), [*base, *names, *filter(None, [name])]) for name in group)


def first_names(text):
    """Yields the first name of each path in a group such as `a::b, c, d::{e, f}}`, after its opening brace."""
    depth, start = 0, True
    for part in re.finditer(r"[{},]|\w+", text):
        depth += {"{": 1, "}": -1}.get(part[0], 0)
        if depth < 0:
            return
        if start and part[0] not in "{},":
            yield part[0]
        start = depth == 0 and part[0] == ","


def check(root, folder):
    """Yields a line of text for each use of a higher layer in one crate."""
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
