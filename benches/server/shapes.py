"""Makes documents of every measured shape and size, as compact JSON in bytes."""

import json
import random

# The states of a shop's order: 20 states, with a path by which an order can move at least twice from
# the first state.
ORDER_STATES = (
    "draft placed confirmed paid picking packed labelled shipped in_transit delivered accepted "
    "closed on_hold cancelled refused lost damaged returning returned refunded"
).split()


def order():
    """Returns the document with the 20-state map that 200,000 keys share."""
    names = ORDER_STATES
    straight = names[: names.index("closed") + 1]
    rows = {name: [after] for name, after in zip(straight, straight[1:])}
    for name in straight[1:6]:
        rows[name] += ["on_hold", "cancelled"]
    for name in ("shipped", "in_transit"):
        rows[name] += ["lost", "damaged"]
    rows["delivered"] += ["refused", "returning"]
    rows |= {"on_hold": ["confirmed", "cancelled"], "refused": ["returning"], "lost": ["refunded"]}
    rows |= {"damaged": ["returning", "refunded"], "returning": ["returned"], "returned": ["refunded"]}
    rows |= {"closed": [], "cancelled": ["refunded"], "refunded": []}
    return document(rows, "draft")


def document(rows, initial):
    """Returns the document of a map, with the fields in SM.GET's order."""
    fields = {"current": "", "map": rows, "initial": initial}
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def name(index, width=0):
    """Returns a state's name: short, or padded to `width` characters like a descriptive name."""
    text = f"s{index}"
    return text if len(text) >= width else f"{'state_of_the_order_' * 4}"[: width - len(text)] + text


# ---- shapes -----------------------------------------------------------------------------------


def ring(states, width=0):
    names = [name(i, width) for i in range(states)]
    return document({a: [b] for a, b in zip(names, names[1:] + names[:1])}, names[0])


def chain(states, width=0):
    names = [name(i, width) for i in range(states)]
    return document({a: [b] for a, b in zip(names, names[1:])}, names[0])


def star(states, width=0):
    """Makes one state that leads to every other state, each of which leads back."""
    hub, *rest = [name(i, width) for i in range(states)]
    return document({hub: rest} | {leaf: [hub] for leaf in rest}, hub)


def sparse(states, width=0, targets=4, seed=1):
    """Makes states that each lead to a few random ones, like machines learned from logs."""
    pick = random.Random(seed)
    names = [name(i, width) for i in range(states)]
    rows = {a: [names[pick.randrange(states)] for _ in range(targets)] for a in names}
    return document(rows, names[0])


def dense(states, width=0):
    """Makes states that each lead to every other state."""
    names = [name(i, width) for i in range(states)]
    return document(dict.fromkeys(names, names), names[0])


SHAPES = {shape.__name__: shape for shape in (ring, chain, star, sparse, dense)}


def ring_of_bytes(size, width=0):
    """Makes a ring whose document is as close to `size` bytes as whole states allow."""
    low, high = 1, max(2, size)
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (middle, high) if len(ring(middle, width)) <= size else (low, middle)
    return ring(low, width)


def variants(text, count):
    """Makes `count` documents of the size of `text` with different definitions: the initial state has a
    different name in each, and never one that `name` returns."""
    initial = json.loads(text)["initial"]
    for i in range(count):
        yield text.replace(f'"{initial}"'.encode(), f'"{_numbered(i, len(initial))}"'.encode())


def _numbered(number, width):
    letters = "0123456789abcdefghijklmnopqrtuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"  # no s
    out = ""
    for _ in range(width):
        number, digit = divmod(number, len(letters))
        out = letters[digit] + out
    if number:
        raise ValueError(f"too many variants for a name of {width} bytes")
    return out
