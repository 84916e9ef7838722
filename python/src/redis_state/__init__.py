"""State machines as keys of Redis or Valkey: a client of the module redisstate."""

from redis_state._definition import Definition
from redis_state._document import Timer
from redis_state._errors import (
    Conflict,
    InvalidDefinition,
    Missing,
    ModuleMissing,
    ModuleTooOld,
    NotPermitted,
    Refused,
    StateMachineError,
    UnknownEvent,
)
from redis_state._lint import Finding

__all__ = [
    "Conflict",
    "Definition",
    "Finding",
    "InvalidDefinition",
    "Missing",
    "ModuleMissing",
    "ModuleTooOld",
    "NotPermitted",
    "Refused",
    "StateMachineError",
    "Timer",
    "UnknownEvent",
]
