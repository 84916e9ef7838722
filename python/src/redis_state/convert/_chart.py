"""A statechart as a tree: what every format is read into, and what is then flattened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Optional

from redis_state.convert._limits import MAX_DEPTH, MAX_STATES, check_states
from redis_state.convert._notes import ConversionError


class Kind(Enum):
    """What a node of the chart is."""

    PLAIN = "state"
    FINAL = "final state"
    PARALLEL = "parallel state"
    # A machine doesn't stay in one of these: who enters it goes on at once.
    CHOICE = "choice"
    HISTORY = "history state"
    DEEP_HISTORY = "deep history state"


@dataclass(eq=False)
class Node:
    """A state, with those inside it. The root is the machine itself."""

    name: str
    place: str
    kind: Kind = Kind.PLAIN
    parent: Optional[Node] = field(default=None, repr=False)
    children: list[Node] = field(default_factory=list, repr=False)
    arrows: list[Arrow] = field(default_factory=list, repr=False)
    # Where an entry into a composite leads. Without one the machine may stay in the composite itself.
    initial: list[Node] = field(default_factory=list, repr=False)
    depth: int = 0
    named: dict[str, Node] = field(default_factory=dict, repr=False)

    def add(self, name: str, place: str, kind: Kind = Kind.PLAIN) -> Node:
        """Adds a state inside this one."""
        if self.depth >= MAX_DEPTH:
            raise ConversionError(place, f"states are nested more than {MAX_DEPTH} deep")
        if len(self.children) > MAX_STATES:
            check_states(len(self.children))
        child = Node(name, place, kind, self, depth=self.depth + 1)
        self.children.append(child)
        self.named.setdefault(name, child)
        return child

    def upwards(self) -> Iterator[Node]:
        """Yields this node and those around it, the root last."""
        node: Optional[Node] = self
        while node is not None:
            yield node
            node = node.parent

    def below(self) -> Iterator[Node]:
        """Yields this node and those inside it, in the order of the text."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))


@dataclass(eq=False)
class Arrow:
    """A transition or a timer out of a node."""

    # None: without a name, or made by the machine itself.
    event: Optional[str]
    targets: list[Node]
    place: str
    # The text of a condition. The next arrow of the same event counts too, as the condition may fail.
    guard: Optional[str] = None
    # `event` is the beginning of names ("" of all) and stands for every event that the file names.
    prefix: bool = False
    # Stays in the state in which the machine is (an internal transition).
    stays: bool = False
    # Isn't hidden by others of the same event in the same state.
    beside: bool = False
    # Does nothing, and hides the arrows of the same event further out.
    blocks: bool = False
    # Doesn't lead from a target to itself, as those of `any` don't.
    not_self: bool = False
    # This is a timer: `event` is None. Without `ms` the moves into the state give the time.
    timer: bool = False
    ms: Optional[int] = None
    # A timer that deletes the key.
    deletes: bool = False


@dataclass(eq=False)
class Chart:
    """A whole machine."""

    root: Node
    # In a state, the first arrow of an event without a condition hides those that follow.
    first_wins: bool = True
    # A machine in a final state of the root takes no events, not even those of the root.
    final_stops: bool = True
    name: str = ""
    revision: Optional[int] = None
    history: int = 0
