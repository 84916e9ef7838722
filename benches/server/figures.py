"""A measured figure, its target and its peers; and how thoroughly a run measures."""

from dataclasses import asdict, dataclass, field


@dataclass
class Figure:
    """One row of the table. A figure without a target is there to be read beside the others."""

    what: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    #: What it is measured against, each with its own figure.
    peers: dict = field(default_factory=dict)
    #: Where the instructions go, if the target is missed.
    profile: str = ""
    #: The section that measures it, filled in as the section ends.
    section: str = ""

    @property
    def target(self):
        if self.at_most is not None:
            return f"≤ {self.at_most:g}"
        return f"≥ {self.at_least:g}" if self.at_least is not None else ""

    @property
    def verdict(self):
        if not self.target:
            return ""
        met = self.value <= self.at_most if self.at_most is not None else self.value >= self.at_least
        return "met" if met else "missed"

    def as_data(self):
        return asdict(self)


@dataclass
class Series:
    """Curves over one quantity that grows: what a plot is drawn from."""

    name: str
    title: str
    x: str
    y: str
    #: Curve name to a list of (x, y).
    curves: dict
    log_y: bool = False
    section: str = ""

    def as_data(self):
        return asdict(self)


@dataclass
class Skip:
    """A figure that can't be had here, and why."""

    what: str
    why: str
    #: Whether the run is whole without it.
    optional: bool = False
    section: str = ""

    def as_data(self):
        return asdict(self)


@dataclass(frozen=True)
class Scale:
    """How much of everything is measured."""

    #: Servers over which the instructions of the hot path are a median: each has a hash seed of
    #: its own, and so other collisions in its tables.
    servers: int
    #: Commands a figure of the hot path.
    commands: int
    #: Rounds of alternating measurements, and the seconds of one turn.
    rounds: int
    turn: float
    #: Keys of the capacity plan.
    keys: int
    reloads: int
    #: The steps of what grows.
    key_steps: tuple
    state_steps: tuple
    #: States of a dense machine, at most: each of them reaches all others.
    dense_states: int
    #: Least bytes of a state's name: as short as can be, and as descriptive ones are.
    widths: tuple
    definition_steps: tuple
    byte_steps: tuple


FULL = Scale(
    servers=5,
    commands=1000,
    rounds=21,
    turn=0.2,
    keys=200_000,
    reloads=5,
    key_steps=tuple(round(10**e) for e in (3, 3.7, 4.4, 5.1, 5.8, 6.5)),
    state_steps=(2, 20, 200, 2_000, 20_000, 100_000),
    dense_states=700,
    widths=(0, 20),
    definition_steps=(1, 10, 100, 1_000, 10_000, 100_000),
    byte_steps=(100, 1_000, 10_000, 100_000, 1_000_000, 8_000_000),
)

SMOKE = Scale(
    servers=1,
    commands=200,
    rounds=5,
    turn=0.05,
    keys=20_000,
    reloads=2,
    key_steps=(1_000, 10_000),
    state_steps=(2, 1_000),
    dense_states=100,
    widths=(0,),
    definition_steps=(1, 1_000),
    byte_steps=(100, 100_000),
)
