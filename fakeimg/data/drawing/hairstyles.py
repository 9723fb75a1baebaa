"""How hair falls: each style is a few sheets of strands."""

from collections.abc import Sequence

Sheet = Sequence[Sequence[tuple[float, float]]]
"""From root to tip, where the sheet's first and last strands pass, or its first, middle and last; frame units."""


def sheets_of(style: str, part: float) -> list[Sheet]:
    """The sheets of a style; the hair is parted at x = `part`, or falls to the side that `part` is not on."""
    if style in ("long", "wavy", "bob"):
        low = 1.05 if style == "bob" else 1.75
        turn = 0.86 if style == "bob" else 1.0
        return [
            [
                [(part, -0.98), (part - 0.05 * s, -1.52)],
                [(part + 0.5 * (s - part), -0.94), (part + 0.55 * (s - part), -1.49)],
                [(s * 0.91, -0.4), (s * 1.17, -0.98)],
                [(s * 0.97, 0.2), (s * 1.3, -0.1)],
                [(s * 0.95 * turn, low * 0.8), (s * 1.33 * turn, low * 0.8)],
                [(s * 0.86 * turn, low), (s * 1.26 * turn, low)],
            ]
            for s in (-1, 1)
        ]
    if style == "fringe":
        sides: list[Sheet] = [
            [
                [(s * 0.2, -1.15), (-s * 0.02, -1.53)],
                [(s * 0.8, -0.95), (s * 0.7, -1.42)],
                [(s * 0.94, -0.3), (s * 1.2, -0.8)],
                [(s * 0.95, 0.3), (s * 1.25, 0.2)],
                [(s * 0.88, 0.8), (s * 1.16, 0.84)],
            ]
            for s in (-1, 1)
        ]
        brow: Sheet = [
            [(-0.3, -1.45), (0.3, -1.45)],
            [(-0.8, -1.0), (0, -1.08), (0.8, -1.0)],
            [(-0.9, -0.35), (0, -0.45), (0.9, -0.35)],
        ]
        return [*sides, brow]
    lead = -1 if part > 0 else 1
    temples: list[Sheet] = [
        [
            [(s * 0.62, -0.98), (s * 0.5, -1.42)],
            [(s * 0.85, -0.66), (s * 1.04, -0.98)],
            [(s * 0.965, -0.12), (s * 1.06, -0.2)],
        ]
        for s in (-1, 1)
    ]
    if style == "side":
        over: Sheet = [
            [(-lead * 0.8, -0.84), (-lead * 0.72, -1.28)],
            [(-lead * 0.42, -1.02), (-lead * 0.42, -1.58)],
            [(lead * 0.3, -1.0), (lead * 0.42, -1.6)],
            [(lead * 0.78, -0.76), (lead * 0.98, -1.12)],
            [(lead * 0.94, -0.45), (lead * 1.08, -0.7)],
        ]
        return [*temples, over]
    if style == "quiff":
        up: Sheet = [
            [(-0.78, -0.8), (0, -0.98), (0.78, -0.8)],
            [(-0.98, -1.15), (0.1 * lead, -1.4), (0.98, -1.15)],
            [(-0.66 + 0.2 * lead, -1.55), (0.25 * lead, -1.78), (0.66 + 0.2 * lead, -1.55)],
        ]
        return [*temples, up]
    if style == "bun":
        back: Sheet = [
            [(-0.93, -0.35), (0, -1.0), (0.93, -0.35)],
            [(-0.98, -0.85), (0, -1.2), (0.98, -0.85)],
            [(-0.5, -1.4), (0, -1.46), (0.5, -1.4)],
        ]
        sweep: list[Sheet] = [
            [
                [(s * 0.97, 0.0), (s * 0.9, -0.42)],
                [(s * 1.07, -0.5), (s * 0.9, -0.9)],
                [(s * 0.72, -1.28), (s * 0.3, -1.42)],
            ]
            for s in (-1, 1)
        ]
        return [back, *sweep]
    crown: Sheet = [
        [(-0.8, -0.82), (0, -1.08), (0.8, -0.82)],
        [(-1.02, -1.08), (0, -1.4), (1.02, -1.08)],
        [(-0.5, -1.5), (0.1 * lead, -1.58), (0.5, -1.5)],
    ]
    front: Sheet = [
        [(-0.62, -1.3), (0, -1.45), (0.62, -1.3)],
        [(-0.76, -1.0), (0, -1.15), (0.76, -1.0)],
        [(-0.8 + 0.1 * lead, -0.72), (0.1 * lead, -0.9), (0.8 + 0.1 * lead, -0.74)],
    ]
    return [crown, *temples, front]
