"""State machines as keys of Redis or Valkey: a client of the module redisstate."""

from redis_state._asyncio import AsyncPipeline, AsyncStateMachines
from redis_state._client import StateMachines
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
from redis_state._pipeline import Pipeline
from redis_state._requests import AUTO
from redis_state._verdict import DefinitionInfo, Emitted, Info, Machine, Move, Verdict

__all__ = [
    "AUTO",
    "AsyncPipeline",
    "AsyncStateMachines",
    "Conflict",
    "Definition",
    "DefinitionInfo",
    "Emitted",
    "Finding",
    "Info",
    "InvalidDefinition",
    "Machine",
    "Missing",
    "ModuleMissing",
    "ModuleTooOld",
    "Move",
    "NotPermitted",
    "Pipeline",
    "Refused",
    "StateMachineError",
    "StateMachines",
    "Timer",
    "UnknownEvent",
    "Verdict",
]
