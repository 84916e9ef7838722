"""`redis-state lint`: likely mistakes in a definition."""

from __future__ import annotations

from dataclasses import asdict
from typing import Optional

import click
from rich.text import Text

from redis_state import Finding
from redis_state.cli._escape import shown
from redis_state.cli._faults import FAILED
from redis_state.cli._output import print_json, print_table, remark
from redis_state.cli._settings import Settings, json_option, pass_settings, server_options
from redis_state.cli._source import as_key, is_file, nothing_there, read_file, source_options, tell_notes

_STYLES = {"error": "red", "warning": "yellow", "info": "dim"}


@click.command(short_help="Likely mistakes in a definition.")
@source_options
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too.")
@json_option
@server_options
@pass_settings
def lint(settings: Settings, source: str, is_key: bool, format: Optional[str], strict: bool) -> int:
    """Tell likely mistakes in the definition of a FILE, or of the machine at a KEY.

    A file is read in every format that convert knows. The rules are those of SM.LINT. The exit code is 1 if there is
    an error.
    """
    findings = _findings(settings, source, is_key, format)
    if settings.json:
        print_json([asdict(each) for each in findings])
    elif findings:
        print_table(("severity", "code", "state", "what"), [_row(each) for each in findings])
    else:
        remark("no findings")
    bad = ("error", "warning") if strict else ("error",)
    return FAILED if any(each.severity in bad for each in findings) else 0


def _findings(settings: Settings, source: str, is_key: bool, format: Optional[str]) -> list[Finding]:
    if is_file(source, is_key):
        found = read_file(source, format)
        tell_notes(found)
        return found.definition.lint()
    findings = settings.machines.lint(as_key(source))
    if findings is None:
        raise nothing_there(source, is_key)
    return findings


def _row(finding: Finding) -> tuple[Text, ...]:
    texts = [shown(each) for each in (finding.severity, finding.code, finding.state, finding.message)]
    severity = Text(texts[0], _STYLES.get(finding.severity, ""))
    return (severity, *map(Text, texts[1:]))
