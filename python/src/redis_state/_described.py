"""Makes methods of clients from the functions that build requests."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


_RAISES = """

    Returns the verdict of a success. Raises Missing if there is no machine, Refused (UnknownEvent, if the name is
    nowhere in the definition) and Conflict.
    """


def described(method: F, build: Callable[..., Any], returns: str = "", raises: bool = False) -> F:
    """Gives a method the name, the description and the signature of the function that builds its requests.

    `returns` is what the method returns; by default what the request's reply is parsed to. `raises` is for a method
    that raises where the verdict is no success.
    """
    method.__name__ = build.__name__.rstrip("_") + "_or_raise" * raises
    method.__qualname__ = method.__name__
    method.__doc__ = (build.__doc__ or "").rstrip() + _RAISES * raises
    signature = inspect.signature(build)
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    reply = returns or str(signature.return_annotation)[len("Request[") : -1]
    method.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[itself, *signature.parameters.values()], return_annotation=reply
    )
    return method
