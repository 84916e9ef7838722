"""Draws line plots and bar charts as SVG, without a library."""

import math
from html import escape

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 80, 700, 50, 340
# Most colour-blind readers can distinguish these colours. Every curve also has its own marker.
COLOURS = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9"


class Scale:
    """Maps values to positions, logarithmically or linearly from zero."""

    def __init__(self, values, start, end, log):
        self.log, self.start, self.end = log, start, end
        if log:
            self.low = math.floor(_log(min(values)) + 1e-9)
            self.high = max(self.low + 1, math.ceil(_log(max(values)) - 1e-9))
        else:
            self.step = _step(max(values))
            self.low, self.high = 0, math.ceil(max(values) / self.step) * self.step

    def __call__(self, value):
        part = ((_log(value) if self.log else value) - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)

    def ticks(self):
        if self.log:
            return [10.0**e for e in range(self.low, self.high + 1)]
        return [self.step * i for i in range(round(self.high / self.step) + 1)]


def _log(value):
    return math.log10(value)


def _step(highest):
    """Returns the distance of ticks: 1, 2 or 5 times a power of ten, so that there are four to eight ticks."""
    power = 10 ** math.floor(math.log10(highest / 4))
    return next(power * n for n in (1, 2, 5, 10) if highest / (power * n) <= 8)


def draw(series):
    """Returns the SVG of a series as text. X is always logarithmic."""
    points = [point for curve in series.curves.values() for point in curve]
    x = Scale([p[0] for p in points], LEFT, RIGHT, log=True)
    y = Scale([p[1] for p in points], BOTTOM, TOP, series.log_y)
    parts = [_text(WIDTH / 2, 24, series.title, size=15, anchor="middle")]
    parts += _axes(series, x, y)
    for number, curve in enumerate(series.curves.values()):
        parts += _curve(number, curve, x, y)
    return _page(series.title, [*parts, *_legend(series.curves)])


def draw_bars(bars):
    """Returns the SVG of a bar chart as text. Its scale is logarithmic, and each bar has its value above it.
    A group's name has a line for each of its parts, which a comma separates."""
    y = Scale([value for group in bars.groups.values() for value in group.values()], BOTTOM, TOP, log=True)
    names = list(dict.fromkeys(name for group in bars.groups.values() for name in group))
    parts = [_text(WIDTH / 2, 24, bars.title, size=15, anchor="middle"), *_y_axis(bars.y, y)]
    room = (RIGHT - LEFT) / len(bars.groups)
    for number, (label, group) in enumerate(bars.groups.items()):
        start = LEFT + number * room
        for line, text in enumerate(label.split(", ")):
            parts.append(_text(start + room / 2, BOTTOM + 16 + 14 * line, text, size=11, anchor="middle"))
        parts += _group(group, names, start + room * 0.06, room * 0.88 / len(names), y)
    return _page(bars.title, [*parts, *_legend(names, _square)])


def _group(group, names, start, width, y):
    out = []
    for name, value in group.items():
        number = names.index(name)
        x, top = start + number * width, y(value)
        out.append(
            f'<rect x="{x:.1f}" y="{top:.1f}" width="{width - 3:.1f}" height="{BOTTOM - top:.1f}" '
            f'fill="{COLOURS[number % len(COLOURS)]}"/>'
        )
        out.append(_text(x + (width - 3) / 2, top - 5, _short(value), size=10, anchor="middle"))
    return out


def _page(title, parts):
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" role="img" aria-label="{escape(title)}">'
    )
    return "\n".join([head, f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>', *parts, "</svg>"]) + "\n"


def _axes(series, x, y):
    out = _y_axis(series.y, y)
    for tick in x.ticks():
        out.append(_line(x(tick), TOP, x(tick), BOTTOM, "#ddd"))
        out.append(_text(x(tick), BOTTOM + 18, _number(tick), anchor="middle"))
    out.append(_text((LEFT + RIGHT) / 2, BOTTOM + 38, series.x, anchor="middle"))
    return out


def _y_axis(title, y):
    out = []
    for tick in y.ticks():
        out.append(_line(LEFT, y(tick), RIGHT, y(tick), "#ddd"))
        out.append(_text(LEFT - 8, y(tick) + 4, _number(tick), anchor="end"))
    middle = (TOP + BOTTOM) / 2
    out.append(_text(18, middle, title, anchor="middle", more=f' transform="rotate(-90 18 {middle})"'))
    return out


def _curve(number, curve, x, y):
    colour = COLOURS[number % len(COLOURS)]
    places = [(x(a), y(b)) for a, b in curve]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    out = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
    return out + [_mark(number, *place) for place in places]


def _mark(number, x, y):
    if number % 2:
        return _square(number, x, y)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{COLOURS[number % len(COLOURS)]}"/>'


def _square(number, x, y):
    return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{COLOURS[number % len(COLOURS)]}"/>'


def _legend(names, mark=_mark):
    out, x = [], LEFT
    for number, name in enumerate(names):
        out += [mark(number, x, HEIGHT - 10), _text(x + 10, HEIGHT - 6, name)]
        x += 34 + 7 * len(name)
    return out


def _line(x1, y1, x2, y2, colour):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _text(x, y, text, size=12, anchor="start", more=""):
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
    return f"<text {place}{more}>{escape(text)}</text>"


def _short(value):
    """Returns a value with two digits: 870k, 1.2M."""
    digits = math.floor(math.log10(value)) - 1
    return _number(round(value, -digits))


def _number(value):
    for power, letter in ((1_000_000, "M"), (1_000, "k")):
        if value >= power:
            return f"{value / power:g}{letter}"
    return f"{value:g}"
