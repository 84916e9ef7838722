"""Reads YAML."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any, Optional

import yaml

from redis_state.convert._limits import MAX_DEPTH, MAX_YAML_BYTES, MAX_YAML_NODES, check_bytes
from redis_state.convert._notes import ConversionError, Notes, quoted


class _Loader(yaml.SafeLoader):
    """YAML with bounds. `on`, `off`, `yes`, `no` and dates are text, as in YAML 1.2: they are names."""

    depth = 0
    tags: list[tuple[str, str]]

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        if self.depth > 2 * MAX_DEPTH:
            raise ConversionError(f"line {self.line + 1}", "the YAML is nested too deep")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConversionError(_line(key), "a key that isn't a text")
            if key.value in seen:
                raise ConversionError(_line(key), f"the key {quoted(key.value)} is there twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)

    def as_text(self, suffix: str, node: Any) -> Any:
        """Reads `!Sub text` and the like as the text."""
        if not isinstance(node, yaml.ScalarNode):
            raise ConversionError(_line(node), f"can't read the tag {quoted('!' + suffix)}")
        self.tags.append((_line(node), f"the tag {quoted('!' + suffix)} is left out, and its text is kept"))
        return node.value


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith((":bool", ":timestamp"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _first in "tTfF":
    _Loader.yaml_implicit_resolvers.setdefault(_first, []).append(
        ("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"))
    )
_Loader.add_multi_constructor("!", _Loader.as_text)


def load_yaml(text: str, notes: Notes) -> Any:
    """Reads YAML. Aliases are read, but not if they make a large document of a small text."""
    check_bytes(len(text.encode("utf-8", "surrogatepass")), MAX_YAML_BYTES)
    try:
        loader = _Loader(text)
        loader.tags = []
        node = loader.get_single_node()
        if node is None:
            raise ConversionError("", "the text is empty")
        _check_nodes(node)
        value = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1} column {mark.column + 1}" if mark else ""
        raise ConversionError(place, f"not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ConversionError("", f"not YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise ConversionError("", "the YAML is nested too deep") from None
    except ValueError as error:
        raise ConversionError("", f"not YAML: {error}") from None
    for place, what in loader.tags:
        notes.add(place, what)
    return value


def _line(node: Any) -> str:
    return f"line {node.start_mark.line + 1}"


def _check_nodes(root: Any) -> None:
    """Counts the nodes as a reader meets them: those of an alias each time."""
    sizes: dict[int, Optional[int]] = {}
    waiting = [root]
    while waiting:
        node = waiting[-1]
        inner = _inner(node)
        if id(node) not in sizes:
            sizes[id(node)] = None
            for one in inner:
                if id(one) in sizes and sizes[id(one)] is None:
                    raise ConversionError(_line(one), "an alias of what is around it")
            waiting += [one for one in inner if id(one) not in sizes]
            continue
        waiting.pop()
        size = 1 + sum(sizes[id(one)] or 0 for one in inner)
        if size > MAX_YAML_NODES:
            raise ConversionError(_line(node), f"over {MAX_YAML_NODES} values, those of aliases counted each time")
        sizes[id(node)] = size


def _inner(node: Any) -> list[Any]:
    if isinstance(node, yaml.MappingNode):
        return [one for pair in node.value for one in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
