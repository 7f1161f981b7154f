"""SVG plots without a library: text with bars or lines, readable in light and dark themes."""

import math
from collections.abc import Mapping, Sequence
from html import escape

_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.b{fill:#3b6ea8}.g{stroke:#8c959f;stroke-width:1;fill:none}"
    ".l{stroke-width:2;fill:none}@media(prefers-color-scheme:dark){text{fill:#d0d7de}.b{fill:#79a8dd}}"
)
_COLOURS = (
    "#3b6ea8",
    "#b35900",
    "#2e7d4f",
    "#8250a8",
    "#b3324a",
    "#6b7280",
    "#0f8a8a",
    "#a08a00",
    "#d04fa0",
    "#5f9e2f",
    "#c96a3a",
)
_ROW, _LEFT, _WIDTH = 22, 420, 860


def bars(rows: Sequence[tuple[str, Mapping[str, float]]], names: Mapping[str, str]) -> str:
    """Draw the speed relative to each peer: one bar each, on a logarithmic scale with a line at 1."""
    found = [(f"{row} / {names[peer].replace('`', '')}", ratio) for row, ratios in rows for peer, ratio in ratios.items()]
    least, most = min(0.5, *(ratio for _, ratio in found)), max(2.0, *(ratio for _, ratio in found))
    scale = (_WIDTH - _LEFT - 60) / math.log(most / least)

    def x(ratio: float) -> float:
        return _LEFT + scale * math.log(ratio / least)

    height = _ROW * len(found) + 40
    parts = [f'<line class="g" x1="{x(1):.1f}" x2="{x(1):.1f}" y1="8" y2="{height - 26}"/>']
    for number, (label, ratio) in enumerate(found):
        y = 10 + number * _ROW
        left, right = sorted((x(1), x(ratio)))
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(label)}</text>')
        parts.append(f'<rect class="b" x="{left:.1f}" y="{y}" width="{max(1, right - left):.1f}" height="15" rx="2"/>')
        parts.append(f'<text x="{max(x(1), right) + 6:.1f}" y="{y + 12}">{ratio:.2f} ×</text>')
    parts.append(f'<text x="{x(1):.1f}" y="{height - 8}" text-anchor="middle">as fast as the peer</text>')
    return _svg(_WIDTH, height, "How many times as fast as its peers", parts)


def curves(series: Mapping[str, Sequence[tuple[float, float]]], *, title: str, across: str, up: str) -> str:
    """Draw lines on two logarithmic scales."""
    points = [point for line in series.values() for point in line]
    (left, right), (low, high) = _range([x for x, _ in points]), _range([y for _, y in points])
    wide, tall, margin = 560, 320, 60

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            margin + (wide - margin) * math.log(x / left) / math.log(right / left),
            tall - (tall - 30) * math.log(y / low) / math.log(high / low),
        )

    parts = [f'<path class="g" d="M{margin} 30V{tall}H{wide}"/>']
    parts += [
        f'<text x="{at(x, low)[0]:.1f}" y="{tall + 18}" text-anchor="middle">{x:,.0f}</text>' for x in _decades(left, right)
    ]
    parts += [f'<text x="{margin - 8}" y="{at(left, y)[1] + 4:.1f}" text-anchor="end">{y:g}</text>' for y in _decades(low, high)]
    for number, (name, line) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = "L".join("{:.1f} {:.1f}".format(*at(*point)) for point in line)
        parts.append(f'<path class="l" style="stroke:{colour}" d="M{path}"/>')
        parts.append(f'<rect x="{wide + 20}" y="{30 + number * _ROW}" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{wide + 40}" y="{41 + number * _ROW}">{escape(name)}</text>')
    parts.append(f'<text x="{wide / 2 + 30}" y="{tall + 40}" text-anchor="middle">{escape(across)}</text>')
    parts.append(f'<text x="8" y="18">{escape(up)}</text>')
    return _svg(_WIDTH, tall + 52, title, parts)


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if low < high else (low / 2, high * 2)


def _decades(low: float, high: float) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    return [10.0**power for power in range(first, last + 1)] or [low, high]


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n{body}\n</svg>\n"
    )
