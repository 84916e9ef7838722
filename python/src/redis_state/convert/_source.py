"""Reads text, JSON and YAML from sources that nobody has checked, and takes values out of them."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Optional, Union

import yaml

from redis_state.convert._limits import MAX_DEPTH, MAX_YAML_BYTES, MAX_YAML_NODES, check_bytes
from redis_state.convert._notes import ConversionError, Notes, listed, quoted


def text_of(source: Union[str, bytes]) -> str:
    """Returns the text of a file, which is UTF-8."""
    check_bytes(len(source))
    if isinstance(source, bytes):
        try:
            source = source.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ConversionError(f"byte {error.start}", "the text isn't UTF-8") from None
    text = source[1:] if source.startswith("\ufeff") else source
    check_bytes(len(text.encode("utf-8", "surrogatepass")))
    if not text.strip():
        raise ConversionError("", "the text is empty")
    return text


# ---- JSON ---------------------------------------------------------------------------------------


class _Twice(dict):  # type: ignore[type-arg]
    """An object of JSON that has a key twice."""

    key = ""


def load_json(text: str) -> Any:
    """Reads JSON. A key that an object has twice is an error, as in the documents of the server."""
    found: list[_Twice] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(items)
        if len(made) == len(items):
            return made
        twice = _Twice(made)
        seen: set[str] = set()
        twice.key = next(key for key, _ in items if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        found.append(twice)
        return twice

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=_no_constant)
    except RecursionError:
        raise ConversionError("", "the JSON is nested too deep") from None
    except json.JSONDecodeError as error:
        raise ConversionError(f"line {error.lineno} column {error.colno}", f"not JSON: {error.msg}") from None
    except ValueError as error:
        raise ConversionError("", f"not JSON: {error}") from None
    if found:
        raise ConversionError(_path_to(value, found[0]), f"the key {quoted(found[0].key)} is there twice")
    return value


def _no_constant(name: str) -> Any:
    raise ConversionError("", f"not JSON: {name}")


def _path_to(value: Any, wanted: Any) -> str:
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        path, inner = waiting.pop()
        if inner is wanted:
            return path
        items: Iterable[tuple[Any, Any]] = ()
        if isinstance(inner, dict):
            items = [(f".{key}", one) for key, one in inner.items()]
        elif isinstance(inner, list):
            items = [(f"[{at}]", one) for at, one in enumerate(inner)]
        waiting += [((path + step).lstrip("."), one) for step, one in items]
    return ""


# ---- YAML ---------------------------------------------------------------------------------------


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


# ---- values -------------------------------------------------------------------------------------


def as_mapping(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConversionError(place, f"expected an object, found {kind_of(value)}")
    if not all(isinstance(key, str) for key in value):
        return {as_name(key, place): one for key, one in value.items()}
    return value


def as_list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise ConversionError(place, f"expected a list, found {kind_of(value)}")
    return list(value)


def as_text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise ConversionError(place, f"expected a string, found {kind_of(value)}")
    return value


def as_name(value: Any, place: str) -> str:
    """Returns a name. YAML reads a name such as `1` as a number."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ConversionError(place, f"expected a name, found {kind_of(value)}")
    return str(value)


def many(value: Any) -> list[Any]:
    """Returns one value or a list of them as a list; nothing for None."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def kind_of(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", type(None): "null", bool: str(value).lower()}
    return kinds.get(type(value)) or quoted(value)


def leave_out(row: Mapping[str, Any], known: Iterable[str], place: str, notes: Notes) -> None:
    """Notes the fields of an object that nothing here reads and that say something."""
    unread = [key for key, value in row.items() if key not in known and value not in (None, "", [], {})]
    if unread:
        notes.add(place, f"left out: {listed(unread)}")
