"""Reads callgrind profiles: the functions in which a command spends its instructions."""

import re
import subprocess
from collections import defaultdict

LINE = re.compile(r"^\s*([\d,]+) \([^)]*\)\s+(.*?)(?: \[([^\]]*)\])?$")


def functions(file, commands):
    """Returns (function, its own instructions, including its callees) for every function of the profile, in
    instructions a command, ordered by its own. Inlined code counts for the function that contains it."""
    own = _read(file, "no", sum)
    inclusive = _read(file, "yes", max)
    rows = [(name, own.get(name, 0) / commands, total / commands) for name, total in inclusive.items()]
    return sorted((row for row in rows if _is_counted(row, rows)), key=lambda row: -row[1])


def _read(file, inclusive, join):
    command = [
        "callgrind_annotate",
        f"--inclusive={inclusive}",
        "--threshold=100",
        "--auto=no",
        str(file),
    ]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = defaultdict(list)
    for line in text.splitlines():
        match = LINE.match(line)
        if match and "PROGRAM TOTALS" not in line:
            found[_function(match[2])].append(int(match[1].replace(",", "")))
    return {name: join(counts) for name, counts in found.items()}


def _function(where):
    """Returns the function of `file:function`. Names in Rust contain colons too."""
    return re.sub(r"^.*?:(?!:)", "", where)


def _is_counted(row, rows):
    # Callgrind counts the whole profile for every function that was on the stack when counting began.
    whole = max(total for _, _, total in rows)
    name, own, total = row
    return total < whole or name == "processCommand"


def show(title, rows, limit=25, digits=1):
    """Returns the rows as text."""
    out = [title, f"{'own':>12} {'with callees':>14}  function"]
    out += [f"{own:12.{digits}f} {total:14.{digits}f}  {name[:90]}" for name, own, total in rows[:limit]]
    return "\n".join(out) + "\n"
