"""A measured figure with its target and its peers, and the scale of a run."""

from dataclasses import asdict, dataclass, field


@dataclass
class Figure:
    """One row of the table. A figure without a target is shown for comparison."""

    what: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    #: The baselines that it is compared with, each with its own figure.
    peers: dict = field(default_factory=dict)
    #: If the target is missed: where the instructions go.
    profile: str = ""
    #: The section that measures it, set when the section ends.
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
    """The data of a plot: curves over one growing quantity."""

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
class Bars:
    """The data of a bar chart: groups of bars, on a logarithmic scale."""

    name: str
    title: str
    y: str
    #: Group name to {bar name: value}.
    groups: dict
    section: str = ""

    def as_data(self):
        return asdict(self)


@dataclass
class Skip:
    """A figure that can't be measured here, and why."""

    what: str
    why: str
    #: Whether the run is complete without it.
    optional: bool = False
    section: str = ""

    def as_data(self):
        return asdict(self)


@dataclass(frozen=True)
class Scale:
    """The scale of a run: how many servers, commands, rounds and keys it measures."""

    #: Servers for the median of the hot path's instructions. Each has its own hash seed, so its tables
    #: have other collisions.
    servers: int
    #: Commands for each figure of the hot path.
    commands: int
    #: Rounds of alternating measurements, and the seconds of one turn.
    rounds: int
    turn: float
    #: Keys of the capacity plan.
    keys: int
    reloads: int
    #: The steps of what grows.
    key_steps: tuple
    #: Machines of a full node. Those after the first are measured where the memory allows.
    fleets: tuple
    #: Machines that are counted and scanned, and how often all of them are.
    counted: int
    walks: int
    state_steps: tuple
    #: The most states of a dense machine, in which each state reaches all others.
    dense_states: int
    #: The least bytes of a state's name: as short as possible, and as long as descriptive names are.
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
    fleets=(1_000_000, 10_000_000),
    counted=3_000_000,
    walks=5,
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
    fleets=(100_000,),
    counted=20_000,
    walks=2,
    state_steps=(2, 1_000),
    dense_states=100,
    widths=(0,),
    definition_steps=(1, 1_000),
    byte_steps=(100, 100_000),
)
