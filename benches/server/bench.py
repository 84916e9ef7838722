#!/usr/bin/env python3
"""The server benchmarks: `make bench`, `make bench-smoke`.

    bench.py                  everything, written to docs/benchmarks.md with its plots and data
    bench.py --only hot       one section, printed only; with --write put into the data of the last run
    bench.py --smoke          a small version of everything, in under two minutes: checks that every
                              figure can be measured
    bench.py --redraw         write docs/benchmarks.md and the plots again, from the data of the last run
    bench.py --profile NAME   show where the instructions of a hot command go, e.g. --profile SM.STATE

SERVER picks the server and MODULE the module, as in the tests; POSTGRES names the folder of the programs of
a PostgreSQL.
"""

import argparse
import sys
import time
import traceback
from pathlib import Path

# The code that starts the servers is that of the tests.
sys.path.insert(1, str(Path(__file__).resolve().parent.parent.parent / "tests/support"))

import callgrind_hot  # noqa: E402
import comparison  # noqa: E402
import counts  # noqa: E402
import deadlines  # noqa: E402
import definitions  # noqa: E402
import figures  # noqa: E402
import fleet  # noqa: E402
import growth  # noqa: E402
import keys  # noqa: E402
import lives  # noqa: E402
import moves  # noqa: E402
import parsing  # noqa: E402
import report  # noqa: E402
import throughput  # noqa: E402

SECTIONS = {
    "hot": callgrind_hot,
    **{
        module.__name__: module
        for module in (
            moves,
            parsing,
            throughput,
            comparison,
            keys,
            lives,
            deadlines,
            fleet,
            counts,
            definitions,
            growth,
        )
    },
}
PROFILED = {name: module.plans for module in (callgrind_hot, moves, deadlines) for name in module.plans()}


def main():
    options = arguments()
    if options.profile:
        return print(callgrind_hot.profile(options.profile, PROFILED[options.profile]))
    if options.redraw:
        return report.redraw()
    scale = figures.SMOKE if options.smoke else figures.FULL
    names = [options.only] if options.only else list(SECTIONS)
    result = measure(names, scale)
    print(report.table(result))
    problems = list(report.problems(result))
    for problem in problems:
        print(f"bench: {problem}", file=sys.stderr)
    if problems:
        sys.exit(1)
    if options.only and options.write:
        report.replace(result, options.only, list(SECTIONS))
    elif not options.smoke and not options.only:
        report.write(result)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="small, and writes nothing")
    parser.add_argument("--only", choices=SECTIONS, help="one section, printed only")
    parser.add_argument("--write", action="store_true", help="with --only: put it into the data of the last run")
    parser.add_argument("--redraw", action="store_true", help="docs anew, from the data file")
    parser.add_argument("--profile", choices=PROFILED, metavar="NAME", help="the profile of a hot command")
    return parser.parse_args()


def measure(names, scale):
    """Runs the sections and gathers their results."""
    result = report.Result()
    for name in names:
        start = time.monotonic()
        print(f"bench: {name} ...", file=sys.stderr, flush=True)
        rows, series = run(name, scale)
        for part in (*rows, *series):
            part.section = name
        result.add(rows, series)
        print(f"bench: {name} took {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    return result


def run(name, scale):
    """Runs a section. If it fails, the figures of the other sections are still written."""
    try:
        return SECTIONS[name].run(scale)
    except Exception as error:
        traceback.print_exc()
        return [figures.Skip(f"the section {name}", str(error))], []


if __name__ == "__main__":
    main()
