"""The statements of a Mermaid state diagram, by the grammar in mermaid.lark."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Optional

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken, v_args

from redis_state.convert._limits import MAX_DEPTH
from redis_state.convert._notes import ConversionError, quoted

EDGE = "[*]"


@dataclass
class Statement:
    """A line of a diagram, or a block of lines.

    `kind` is `arrow` (`name` to `target`), `state` (`name`, with its block in `inner`), `text` (a
    description in `label`), `divider` or `skipped` (`name` is the word with which it begins).
    """

    kind: str
    line: int
    name: str = ""
    target: str = ""
    # None: no label at all.
    label: Optional[str] = None
    # `fork`, `join` or `choice`.
    pseudo: str = ""
    inner: Optional[list[Statement]] = None
    depth: int = field(default=0, repr=False)

    @property
    def place(self) -> str:
        return f"line {self.line}"


def statements(text: str) -> list[Statement]:
    """Parses a diagram."""
    try:
        found: list[Statement] = _parser().parse(text.rstrip() + "\n")  # type: ignore[assignment]
    except UnexpectedToken as error:
        shown = (
            "the end of the text"
            if error.token.type == "$END"
            else quoted(str(error.token).strip() or "the end of the line")
        )
        raise ConversionError(f"line {error.line} column {error.column}", f"didn't expect {shown}") from None
    except UnexpectedCharacters as error:
        raise ConversionError(
            f"line {error.line} column {error.column}", f"didn't expect {quoted(error.char)}"
        ) from None
    except UnexpectedInput as error:
        raise ConversionError("", f"not a state diagram: {str(error).splitlines()[0]}") from None
    return found


def plain_text(text: str) -> str:
    """Returns a label without entities (`#34;`, `#quot;`)."""
    return re.sub(r"#([0-9]{1,7}|[A-Za-z][A-Za-z0-9]{0,31});", _character, text)


def _character(found: re.Match[str]) -> str:
    name = found[1]
    if name[0].isdigit():
        code = int(name)
        return chr(code) if code < 0xD800 or 0xDFFF < code < 0x110000 else found[0]
    decoded = html.unescape(f"&{name};")
    return found[0] if decoded == f"&{name};" else decoded


@v_args(inline=True)
class _Builder(Transformer[Token, Any]):
    """Makes statements while the text is parsed, so that no depth of blocks needs a stack of calls."""

    def start(self, body: list[Statement]) -> list[Statement]:
        return body

    def body(self, *found: Optional[Statement]) -> list[Statement]:
        return [statement for statement in found if statement is not None]

    def block(self, body: list[Statement]) -> list[Statement]:
        return body

    def end(self, name: Token) -> Token:
        return name.update(value=name.rstrip(";")) if name.type == "ID" else name

    def arrow(self, source: Token, target: Token, label: Optional[Token]) -> Statement:
        return Statement("arrow", source.line or 0, str(source), str(target), _label(label))

    def alone(self, name: Token, label: Optional[Token]) -> Statement:
        return Statement("text", name.line or 0, str(name), label=_label(label))

    def state(self, text: Optional[Token], name: Token, rest: Any) -> Statement:
        made = Statement("state", name.line or 0, name.rstrip(";"), label=None if text is None else text[1:-1])
        if isinstance(rest, list):
            made.inner = rest
            made.depth = 1 + max((inner.depth for inner in rest), default=0)
            if made.depth > MAX_DEPTH:
                raise ConversionError(made.place, f"states are nested more than {MAX_DEPTH} deep")
        elif rest is not None and rest.type == "KIND":
            made.pseudo = rest.strip("<>[] \t").lower()
        elif rest is not None and made.label is None:
            made.kind, made.label = "text", _label(rest)
        return made

    def divider(self, token: Token) -> Statement:
        return Statement("divider", token.line or 0)

    def skipped(self, token: Token) -> Statement:
        word = re.split(r"[\s:{]", token, maxsplit=1)[0]
        return Statement("skipped", token.line or 0, word, label=str(token))


def _label(token: Optional[Token]) -> Optional[str]:
    """Returns the text after the colon, without a comment. A label of white space alone is none."""
    if token is None:
        return None
    text = token[1:].split("%%", 1)[0].strip()
    # A semicolon at the end of a line ends a statement, unless it ends an entity.
    return (text if re.search(r"#\w+;\Z", text) else text.rstrip(";").rstrip()) or None


@lru_cache(maxsize=1)
def _parser() -> Lark:
    return Lark.open("mermaid.lark", rel_to=__file__, parser="lalr", maybe_placeholders=True, transformer=_Builder())
