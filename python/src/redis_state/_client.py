"""The client over redis-py's blocking clients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, Optional, TypeVar, Union

import redis
from redis.client import NEVER_DECODE
from redis.exceptions import RedisError, ResponseError

from redis_state import _requests
from redis_state._described import described
from redis_state._errors import NotPermitted
from redis_state._faults import failure, is_unblocked, is_unknown_command, refusal, translated, unavailable
from redis_state._fleet import Slices, added_up, merged
from redis_state._pipeline import Pipeline
from redis_state._requests import Key, Request
from redis_state._times import Duration, Moment
from redis_state._verdict import DefinitionInfo, Verdict

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")
Client = Union["redis.Redis", "redis.RedisCluster"]


def _method(build: Callable[P, Request[T]]) -> Callable[Concatenate[StateMachines, P], T]:
    """Makes a method that sends the request and returns what its reply says."""

    def method(self: StateMachines, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(build(*args, **kwargs))

    return described(method, build)


def _raising(build: Callable[P, Request[Optional[Verdict]]]) -> Callable[Concatenate[StateMachines, P], Verdict]:
    """Makes a method that raises where the verdict is no success."""

    def method(self: StateMachines, /, *args: P.args, **kwargs: P.kwargs) -> Verdict:
        return self._run_or_raise(build(*args, **kwargs))

    return described(method, build, "Verdict", raises=True)


class StateMachines:
    """Machines of a server, a cluster, or a primary that Sentinel names.

    `client` is a `redis.Redis`, such as `Sentinel.master_for` returns, or a `redis.RedisCluster`. It may decode replies
    or not, and speak RESP2 or RESP3. Keys are text or any bytes; names of states and events are text.

    Errors of the server that this package has no word for stay `redis.ResponseError`, errors of the connection
    `redis.ConnectionError` and `redis.TimeoutError`.
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

    def wait(self, key: Key, *states: str, timeout: Optional[Duration]) -> Optional[Verdict]:
        """Waits until the machine is in one of the states: `reached`, or `waited` if the time is over; None if the key
        is missing or deleted meanwhile.

        `timeout` is in milliseconds or a timedelta; None waits for ever. It may be longer than the client's socket
        timeout. The wait takes a connection of the pool.
        """
        slices = Slices(timeout, _connection_kwargs(self.client))
        while True:
            verdict = self._wait_once(_requests.wait(key, slices.next(), states))
            if verdict is None or (isinstance(verdict, Verdict) and (verdict.reached or slices.over())):
                return verdict

    def _wait_once(self, request: Request[Optional[Verdict]]) -> Union[Verdict, None, bool]:
        """Returns the verdict of a slice; False if the server ended it for a reason of its own."""
        try:
            return self._run(request)
        except ResponseError as error:
            if is_unblocked(error):
                return False
            raise

    # -- many machines ---------------------------------------------------------------------------------

    def count(self, name: str, revision: Optional[int] = None) -> dict[str, int]:
        """Counts the machines of a name in each state, over every primary."""
        request = _requests.count(name, revision)
        return added_up([self._run(request, node) for node in self._primaries()])

    def definitions(self) -> list[DefinitionInfo]:
        """Returns the definitions that have a name, of every primary, by name and revision."""
        request = _requests.definitions()
        return merged([self._run(request, node) for node in self._primaries()])

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
    ) -> Iterator[Any]:
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

    def _scan(self, options: list[Any]) -> Iterator[Any]:
        for node in self._primaries():
            cursor = 0
            while True:
                # Keys are the caller's, so the client decodes them.
                cursor, keys = self._run(_requests.scan(cursor, options), node, decoded=True)
                yield from keys
                if cursor == 0:
                    break

    # -- pipelines -------------------------------------------------------------------------------------

    def pipeline(self, transaction: bool = True) -> Pipeline:
        """Returns an object with the same methods that queues them; `execute` sends them at once, by default in one
        transaction. In a cluster, the keys of a transaction must be in one slot."""
        return Pipeline(self, lambda: self._client.pipeline(transaction=transaction))

    # -- talking to the server ---------------------------------------------------------------------------

    def _primaries(self) -> list[Any]:
        return list(self._client.get_primaries()) if isinstance(self.client, redis.RedisCluster) else [None]

    def _run(self, request: Request[T], node: Any = None, decoded: bool = False) -> T:
        # Without redis-py's decoding, names are UTF-8 whatever encoding the client has.
        options: dict[str, Any] = {} if decoded else {NEVER_DECODE: True}
        if node is not None:
            options["target_nodes"] = node
        try:
            reply = self._client.execute_command(*request.args, **options)
        except RedisError as error:
            self._raise(error, request, node)
        return request.parse(reply)

    def _run_or_raise(self, request: Request[Optional[Verdict]]) -> Verdict:
        verdict = self._run(request)
        error = failure(request, verdict)
        if error is None and verdict is not None:
            return verdict
        if verdict is not None and verdict.refused:
            error = refusal(request, verdict, self._machine(request.key))
        raise error or AssertionError("a verdict that is no success has an error")

    def _machine(self, key: Key) -> Any:
        """Returns the machine, to look up a name; None if this user may not."""
        try:
            return self._run(_requests.get(key))
        except NotPermitted:
            return None

    def _raise(self, error: RedisError, request: Request[Any], node: Any = None) -> NoReturn:
        """Raises this package's error for one of the server, or that one."""
        args = request.args
        if str(args[0]).startswith("SM.") and is_unknown_command(error, args):
            raise unavailable(error, args, self._has_module(request.key, node)) from error
        known = translated(error, args)
        if known is None:
            raise error
        raise known from error

    def _has_module(self, key: Key, node: Any) -> bool:
        options: dict[str, Any] = {}
        if isinstance(self.client, redis.RedisCluster):
            options["target_nodes"] = node or self._client.get_node_from_key(key)
        args = _requests.probe().args
        try:
            self._client.execute_command(*args, **options)
        except ResponseError as error:
            return not is_unknown_command(error, args)
        return True


def _connection_kwargs(client: Any) -> Any:
    """Returns how the client connects."""
    pool = client.nodes_manager if isinstance(client, redis.RedisCluster) else client.connection_pool
    return pool.connection_kwargs
