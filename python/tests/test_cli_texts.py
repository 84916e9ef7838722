"""The command line: names that are hostile to terminals, durations, bars."""

import json
from datetime import datetime, timezone

import click
import pytest

from redis_state.cli._bars import bar
from redis_state.cli._escape import line, quoted, shown
from redis_state.cli._times import duration, moment, moment_ms
from redis_state.cli._types import duration as parsed

PLAIN = [
    "paid",
    "in review",
    "оплачен",
    "支払済",
    "مدفوع",
    "[red]",
    ":smile:",
    "C:\\new",
    "é",
    "👩\u200d🚀",
    "می\u200cخواهم",
]
HOSTILE = {
    "\x1b[31mred": "\\x1b[31mred",
    "a\nb\r\tc": "a\\nb\\r\\tc",
    "\u202eevil": "\\u202eevil",
    "\x9b2J": "\\u009b2J",
    "a\u200db": "a\\u200db",
    "\u200d": "\\u200d",
    "\x00\x7f": "\\x00\\x7f",
    "\u2028": "\\u2028",
    "\U000e0041": "\\U000e0041",
    "\udcff": "\\xff",
    "": '""',
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_name_in_any_script_is_shown_as_it_is(name):
    assert shown(name) == name


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_terminal_would_obey_is_escaped(name):
    assert shown(name) == HOSTILE[name]


def test_every_character_is_harmless_when_it_is_shown():
    every = "".join(map(chr, range(0x11000)))
    assert all(c.isprintable() or c in "\u200c\u200d" for c in line(every))


def test_half_a_character_is_escaped():
    assert shown("\ud800") == "\\ud800"


def test_a_long_name_is_cut():
    assert shown("x" * 400) == "x" * 300 + "…"
    assert quoted(b"\xff") == "'\\xff'" and quoted("") == "''"


@pytest.mark.parametrize(
    ("text", "ms"),
    [("250ms", 250), ("90s", 90_000), ("15m", 900_000), ("1h", 3_600_000), ("1h30m", 5_400_000), ("2d", 172_800_000)],
)
def test_a_duration_is_read(text, ms):
    assert parsed(text) == ms


@pytest.mark.parametrize(
    "text", ["", "90", "1y", "h", "-1h", "1.5h", "0s", "1 h", "99999999999999w", "9" * 5000 + "s", "٣s"]
)
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(click.BadParameter, match="expected a duration such as"):
        parsed(text)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (-5, "0ms"),
        (999, "999ms"),
        (1000, "1s"),
        (61_000, "1m 1s"),
        (3_600_000, "1h"),
        (90_000_500, "1d 1h"),
        (86_461_000, "1d"),
    ],
)
def test_a_duration_is_shown_by_two_units(ms, text):
    assert duration(ms) == text


def test_moments_are_in_utc():
    at = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=timezone.utc)
    assert (moment(at), moment_ms(at)) == ("2026-01-02 03:04:05Z", "2026-01-02 03:04:05.678Z")


def test_a_bar_shows_whatever_is_not_zero():
    assert (bar(0, 10, 8), bar(10, 10, 8), bar(5, 10, 8)) == ("", "█" * 8, "█" * 4)
    assert bar(1, 1_000_000, 8) == "▏"


def test_json_is_ascii(capsys):
    from redis_state.cli._output import print_json

    print_json(["\x7f\x9b\u202e", "支払済"])
    text = capsys.readouterr().out
    assert text.isascii() and text.strip().isprintable()
    assert json.loads(text) == ["\x7f\x9b\u202e", "支払済"]
