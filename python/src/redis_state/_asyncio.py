"""The client over redis-py's asyncio clients. The requests and the replies are those of the blocking client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Optional, TypeVar, Union

import redis.asyncio
from redis.client import NEVER_DECODE
from redis.exceptions import RedisError, ResponseError

from redis_state import _requests
from redis_state._described import described
from redis_state._errors import NotPermitted
from redis_state._faults import failure, is_unblocked, is_unknown_command, place, refusal, translated, unavailable
from redis_state._fleet import Slices, added_up, merged
from redis_state._pipeline import Queue, first_fault, parsed
from redis_state._requests import Key, Request
from redis_state._times import Duration, Moment
from redis_state._verdict import DefinitionInfo, Verdict

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec, Self

    P = ParamSpec("P")

T = TypeVar("T")
Client = Union["redis.asyncio.Redis", "redis.asyncio.RedisCluster"]


def _method(build: Callable[P, Request[T]]) -> Callable[Concatenate[AsyncStateMachines, P], Awaitable[T]]:
    """Makes a method that sends the request and returns what its reply says."""

    async def method(self: AsyncStateMachines, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(build(*args, **kwargs))

    return described(method, build)


def _raising(
    build: Callable[P, Request[Optional[Verdict]]],
) -> Callable[Concatenate[AsyncStateMachines, P], Awaitable[Verdict]]:
    """Makes a method that raises where the verdict is no success."""

    async def method(self: AsyncStateMachines, /, *args: P.args, **kwargs: P.kwargs) -> Verdict:
        return await self._run_or_raise(build(*args, **kwargs))

    return described(method, build, "Verdict", raises=True)


class AsyncStateMachines:
    """Machines of a server, a cluster, or a primary that Sentinel names: `StateMachines`, with methods to await.

    `client` is a `redis.asyncio.Redis`, such as `redis.asyncio.Sentinel.master_for` returns, or a
    `redis.asyncio.RedisCluster`.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        # redis-py's own types don't reach execute_command and what a cluster has besides.
        self._client: Any = client

    new = _method(_requests.new)
    set = _method(_requests.set_)
    fire = _method(_requests.fire)
    move = _method(_requests.move)
    force = _method(_requests.force)
    emit = _method(_requests.emit)
    redefine = _method(_requests.redefine)
    reset = _method(_requests.reset)
    timeout = _method(_requests.timeout)
    get = _method(_requests.get)
    state = _method(_requests.state)
    can = _method(_requests.can)
    events = _method(_requests.events)
    next = _method(_requests.next_)
    info = _method(_requests.info)
    history = _method(_requests.history)
    lint = _method(_requests.lint)
    export = _method(_requests.export)

    fire_or_raise = _raising(_requests.fire)
    move_or_raise = _raising(_requests.move)
    force_or_raise = _raising(_requests.force)

    async def wait(self, key: Key, *states: str, timeout: Optional[Duration]) -> Optional[Verdict]:
        """Waits until the machine is in one of the states: `reached`, or `waited` if the time is over; None if the key
        is missing or deleted meanwhile.

        `timeout` is in milliseconds or a timedelta; None waits for ever. It may be longer than the client's socket
        timeout. The wait takes a connection of the pool.
        """
        slices = Slices(timeout, self._connection_kwargs())
        while True:
            verdict = await self._wait_once(_requests.wait(key, slices.next(), states))
            if verdict is None or (isinstance(verdict, Verdict) and (verdict.reached or slices.over())):
                return verdict

    async def _wait_once(self, request: Request[Optional[Verdict]]) -> Union[Verdict, None, bool]:
        """Returns the verdict of a slice; False if the server ended it for a reason of its own."""
        try:
            return await self._run(request)
        except ResponseError as error:
            if is_unblocked(error):
                return False
            raise

    # -- many machines ---------------------------------------------------------------------------------

    async def count(self, name: str, revision: Optional[int] = None) -> dict[str, int]:
        """Counts the machines of a name in each state, over every primary."""
        request = _requests.count(name, revision)
        return added_up([await self._run(request, node) for node in await self._primaries()])

    async def definitions(self) -> list[DefinitionInfo]:
        """Returns the definitions that have a name, of every primary, by name and revision."""
        request = _requests.definitions()
        return merged([await self._run(request, node) for node in await self._primaries()])

    def scan(
        self,
        *,
        name: Optional[str] = None,
        revision: Optional[int] = None,
        states: Iterable[str] = (),
        idle: Optional[Duration] = None,
        due: Optional[Moment] = None,
        match: Optional[Key] = None,
        count: Optional[int] = None,
    ) -> AsyncIterator[Any]:
        """Yields keys of machines, over every primary, as the client decodes them.

        Only those of the name and the revision, in one of the states, for at least `idle` (milliseconds or a
        timedelta) in its state, whose timer is due at `due` or before it (milliseconds since 1970 or a datetime), whose
        key matches the pattern. `count` says how many keys a call visits, by default 10. The promises are those of
        SCAN: a key may come twice, and may have moved since. Memory stays flat.
        """
        options = _requests.scan_options(
            name=name, revision=revision, states=states, idle=idle, due=due, match=match, count=count
        )
        return self._scan(options)

    async def _scan(self, options: list[Any]) -> AsyncIterator[Any]:
        for node in await self._primaries():
            cursor = 0
            while True:
                # Keys are the caller's, so the client decodes them.
                cursor, keys = await self._run(_requests.scan(cursor, options), node, decoded=True)
                for key in keys:
                    yield key
                if cursor == 0:
                    break

    # -- pipelines -------------------------------------------------------------------------------------

    def pipeline(self, transaction: bool = True) -> AsyncPipeline:
        """Returns an object with the same methods that queues them; `await execute()` sends them at once, by default
        in one transaction. In a cluster, the keys of a transaction must be in one slot."""
        return AsyncPipeline(self, lambda: self._client.pipeline(transaction=transaction))

    # -- talking to the server ---------------------------------------------------------------------------

    async def _primaries(self) -> list[Any]:
        if not isinstance(self.client, redis.asyncio.RedisCluster):
            return [None]
        # It learns the nodes with its first command, or here.
        await self._client.initialize()
        return list(self._client.get_primaries())

    async def _run(self, request: Request[T], node: Any = None, decoded: bool = False) -> T:
        # Without redis-py's decoding, names are UTF-8 whatever encoding the client has.
        options: dict[str, Any] = {} if decoded else {NEVER_DECODE: True}
        if node is not None:
            options["target_nodes"] = node
        try:
            reply = await self._client.execute_command(*request.args, **options)
        except RedisError as error:
            await self._raise(error, request, node)
        return request.parse(reply)

    async def _run_or_raise(self, request: Request[Optional[Verdict]]) -> Verdict:
        verdict = await self._run(request)
        error = failure(request, verdict)
        if error is None and verdict is not None:
            return verdict
        if verdict is not None and verdict.refused:
            error = refusal(request, verdict, await self._machine(request.key))
        raise error or AssertionError("a verdict that is no success has an error")

    async def _machine(self, key: Key) -> Any:
        """Returns the machine, to look up a name; None if this user may not."""
        try:
            return await self._run(_requests.get(key))
        except NotPermitted:
            return None

    async def _raise(self, error: RedisError, request: Request[Any], node: Any = None) -> NoReturn:
        """Raises this package's error for one of the server, or that one."""
        args = request.args
        if str(args[0]).startswith("SM.") and is_unknown_command(error, args):
            raise unavailable(error, args, await self._has_module(request.key, node)) from error
        known = translated(error, args)
        if known is None:
            raise error
        raise known from error

    async def _has_module(self, key: Key, node: Any) -> bool:
        options: dict[str, Any] = {}
        if isinstance(self.client, redis.asyncio.RedisCluster):
            options["target_nodes"] = node or self._client.get_node_from_key(key)
        args = _requests.probe().args
        try:
            await self._client.execute_command(*args, **options)
        except ResponseError as error:
            return not is_unknown_command(error, args)
        return True

    def _connection_kwargs(self) -> Any:
        """Returns how the client connects."""
        if isinstance(self.client, redis.asyncio.RedisCluster):
            return self._client.connection_kwargs
        return self._client.connection_pool.connection_kwargs


class AsyncPipeline(Queue):
    """A queue over an asyncio client."""

    def __init__(self, machines: AsyncStateMachines, make: Callable[[], Any]) -> None:
        super().__init__()
        self._machines = machines
        # One of redis-py's pipelines for each execution: after an error, that of a cluster keeps its slots.
        self._make = make

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Sends what is queued, and returns what the replies say, in order; None for a missing key.

        With `raise_on_error=False`, errors of single commands are in the list.
        """
        requests = self._take()
        # Entering the block makes a cluster's client learn the nodes. Queueing in a transaction before that would make
        # it learn them in another event loop, which then breaks it. So nothing is queued there earlier.
        async with self._make() as pipe:
            try:
                for request in requests:
                    pipe.execute_command(*request.args)
                replies = await pipe.execute(raise_on_error=False)
            except RedisError as error:
                await self._machines._raise(error, requests[place(error)])
        if raise_on_error and (fault := first_fault(requests, replies)):
            await self._machines._raise(fault[1], fault[0])
        return [parsed(request, reply) for request, reply in zip(requests, replies)]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._requests = []
