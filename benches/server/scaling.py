"""Explains the bends in each plot in a sentence or two, with the numbers of the run."""


def sentence(series):
    return {"keys": _keys, "states": _states, "definitions": _definitions, "bytes": _bytes}[series.name](
        {name: Ends(curve) for name, curve in series.curves.items()}
    )


class Ends:
    """The ends of a curve."""

    def __init__(self, curve):
        (self.first_x, self.first), (self.last_x, self.last) = curve[0], curve[-1]

    @property
    def growth(self):
        return self.last / self.first


def _keys(ends):
    growths = ", ".join(f"{name} {curve.growth:.1f} ×" for name, curve in ends.items())
    first, last = ((getattr(ends["SM.MUTATE"], end) / getattr(ends["SET"], end)) for end in ("first", "last"))
    return (
        f"All four bend together as the keys outgrow the processor's caches and each one is a walk "
        f"through main memory ({growths} from the first to the last point), so the price of a machine "
        f"doesn't grow: SM.MUTATE takes {first:.2f} times as long as SET at the start and {last:.2f} times at "
        f"the end. These are times, so they are rougher than what is counted."
    )


def _states(ends):
    spread = ", ".join(f"{name} {(curve.growth - 1) * 100:+.1f} %" for name, curve in ends.items())
    return (
        f"Nothing bends ({spread} from the first to the last point): a name is found by one hash lookup "
        f"and a transition by a short scan or another lookup, however many states there are."
    )


def _definitions(ends):
    memory, file = ends["memory"], ends["RDB file"]
    return (
        f"Shared definitions cost nothing until there are about as many of them as keys share: with one "
        f"a key takes {memory.first:.0f} bytes in memory and {file.first:.0f} in the file, and with a "
        f"definition of its own {memory.last:,.0f} and {file.last:,.0f}. The bend is where "
        f"a definition's own bytes, divided by the keys that share it, exceed those of a key."
    )


def _bytes(ends):
    names = "SM.SET of a new definition", "SM.SET of a known document", "SM.GET"
    new, known, get = (ends[name] for name in names)
    return (
        f"Below about a kilobyte the fixed cost of a command shows ({new.first:.0f}, {known.first:.0f} and "
        f"{get.first:.0f} instructions a byte for new, known and GET at {new.first_x:,} bytes); above, all of "
        f"them are flat: {new.last:.1f}, {known.last:.1f} and {get.last:.1f} at {new.last_x:,} bytes."
    )
