"""Where the instructions of a command go: the functions of a callgrind profile."""

import re
import subprocess
from collections import defaultdict

LINE = re.compile(r"^\s*([\d,]+) \([^)]*\)\s+(.*?)(?: \[([^\]]*)\])?$")


def functions(file, commands):
    """(function, its own instructions, with what it calls) for every function of the profile, as
    instructions a command, most of its own first. Code that was inlined counts for the function
    that it is in."""
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
    """`file:function` without the file; Rust's names have colons of their own."""
    return re.sub(r"^.*?:(?!:)", "", where)


def _is_counted(row, rows):
    # Callgrind shows everything that was on the stack when counting began as the whole.
    whole = max(total for _, _, total in rows)
    name, own, total = row
    return total < whole or name == "processCommand"


def show(title, rows, limit=25, digits=1):
    """The rows as text."""
    out = [title, f"{'own':>12} {'with callees':>14}  function"]
    out += [f"{own:12.{digits}f} {total:14.{digits}f}  {name[:90]}" for name, own, total in rows[:limit]]
    return "\n".join(out) + "\n"
