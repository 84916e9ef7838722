"""Pipelines: requests that are queued and sent at once."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Optional, TypeVar

from redis.exceptions import RedisError, ResponseError

from redis_state import _requests
from redis_state._described import described
from redis_state._faults import place
from redis_state._requests import Request

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec, Self

    from redis_state._client import StateMachines

    P = ParamSpec("P")

Q = TypeVar("Q", bound="Queue")


def _queued(build: Callable[P, Request[Any]]) -> Callable[Concatenate[Q, P], Q]:
    """Makes a method that queues the request and returns the queue."""

    def method(self: Q, /, *args: P.args, **kwargs: P.kwargs) -> Q:
        self._queue(build(*args, **kwargs))
        return self

    return described(method, build, "Self")


class Queue:
    """Requests in a queue, with the methods of the clients. Each returns the queue itself. `execute_command`
    queues any other command, whose reply is as redis-py has it.
    """

    def __init__(self) -> None:
        self._requests: list[Request[Any]] = []

    new = _queued(_requests.new)
    set = _queued(_requests.set_)
    fire = _queued(_requests.fire)
    move = _queued(_requests.move)
    force = _queued(_requests.force)
    emit = _queued(_requests.emit)
    redefine = _queued(_requests.redefine)
    reset = _queued(_requests.reset)
    timeout = _queued(_requests.timeout)
    get = _queued(_requests.get)
    state = _queued(_requests.state)
    can = _queued(_requests.can)
    events = _queued(_requests.events)
    next = _queued(_requests.next_)
    info = _queued(_requests.info)
    history = _queued(_requests.history)
    lint = _queued(_requests.lint)
    export = _queued(_requests.export)
    execute_command = _queued(_requests.raw)

    def __len__(self) -> int:
        return len(self._requests)

    def __bool__(self) -> bool:
        """An empty queue is a queue all the same."""
        return True

    def _queue(self, request: Request[Any]) -> None:
        self._requests.append(request)

    def _take(self) -> list[Request[Any]]:
        taken, self._requests = self._requests, []
        return taken


def first_fault(requests: list[Request[Any]], replies: list[Any]) -> Optional[tuple[Request[Any], ResponseError]]:
    """Returns the first request that the server refused with an error."""
    faults = ((request, reply) for request, reply in zip(requests, replies) if isinstance(reply, ResponseError))
    return next(faults, None)


def parsed(request: Request[Any], reply: Any) -> Any:
    """Returns what the reply says; errors stay as they are."""
    return reply if isinstance(reply, Exception) else request.parse(reply)


class Pipeline(Queue):
    """A queue over a blocking client."""

    def __init__(self, machines: StateMachines, make: Callable[[], Any]) -> None:
        super().__init__()
        self._machines = machines
        # One of redis-py's pipelines for each execution: after an error, that of a cluster keeps its slots.
        self._make = make

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Sends what is queued, and returns what the replies say, in order; None for a missing key.

        With `raise_on_error=False`, errors of single commands are in the list.
        """
        requests = self._take()
        with self._make() as pipe:
            try:
                for request in requests:
                    pipe.execute_command(*request.args)
                replies = pipe.execute(raise_on_error=False)
            except RedisError as error:
                self._machines._raise(error, requests[place(error)])
        if raise_on_error and (fault := first_fault(requests, replies)):
            self._machines._raise(fault[1], fault[0])
        return [parsed(request, reply) for request, reply in zip(requests, replies)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._requests = []
