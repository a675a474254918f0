"""Pictures of one or two plain shapes."""
import math
import random

from ..scenes import COLOURS
from .palette import shade
from .pen import box, disc, poly, ring

RADIUS = {"small": 0.13, "medium": 0.2, "large": 0.29}


def star(x, y, r):
    return poly(*[(x + q * math.sin(i * math.pi / 5), y - q * math.cos(i * math.pi / 5))
                  for i in range(10) for q in ((r * 1.12, r * 0.47)[i % 2],)])


def heart(x, y, r):
    k = r / 1.0
    n = (0, 0.98, -0.5, 0.6, -1.06, 0.16, -1.06, -0.36, -1.06, -0.98, -0.28, -1.1, 0, -0.48,
         0.28, -1.1, 1.06, -0.98, 1.06, -0.36, 1.06, 0.16, 0.5, 0.6, 0, 0.98)
    at = [x + v * k if i % 2 == 0 else y + v * k for i, v in enumerate(n)]
    return ("path", (("M", tuple(at[:2])), ("C", tuple(at[2:])), ("Z", ())))


def cross(x, y, r):
    a, b = r * 0.36, r * 1.0
    return poly((x - a, y - b), (x + a, y - b), (x + a, y - a), (x + b, y - a), (x + b, y + a), (x + a, y + a), (x + a, y + b),
                (x - a, y + b), (x - a, y + a), (x - b, y + a), (x - b, y - a), (x - a, y - a))


OUTLINES = {
    "circle": disc, "ring": lambda x, y, r: ring(x, y, r, r * 0.56), "star": star, "heart": heart, "cross": cross,
    "square": lambda x, y, r: box(x - r * 0.9, y - r * 0.9, x + r * 0.9, y + r * 0.9),
    "triangle": lambda x, y, r: poly((x, y - r), (x + r * 1.08, y + r * 0.85), (x - r * 1.08, y + r * 0.85)),
    "diamond": lambda x, y, r: poly((x, y - r * 1.15), (x + r * 0.85, y), (x, y + r * 1.15), (x - r * 0.85, y)),
}


def arrange(scene, width, height):
    """[(x, y, r)] of the shapes, in units of the shorter side."""
    rng, unit = random.Random(scene["jitter"]), min(width, height)
    w, h = width / unit, height / unit
    radii = [RADIUS[s["size"]] * rng.uniform(0.94, 1.06) for s in scene["shapes"]]
    if len(radii) == 1:
        centres, radii = [(w / 2, h / 2)], [min(radii[0] * 1.25, 0.4)]
    elif scene["relation"] == "inside":
        # The middle of a triangle or heart with most room is not the middle of its box.
        down = {"triangle": 0.25, "heart": 0.04}.get(scene["shapes"][1]["shape"], 0)
        radii = [0.125 * rng.uniform(0.92, 1.05), 0.36 * rng.uniform(0.95, 1.04)]
        centres = [(w / 2, h / 2 + down * radii[1]), (w / 2, h / 2)]
    else:
        # Unequal shapes share the length in proportion.
        long = h if scene["relation"] == "vertical" else w
        radii = [r * min(1, 0.38 / sum(radii)) for r in radii]
        gap = (long - 2 * sum(radii) * 1.15) / 3
        first, second = gap + radii[0] * 1.15, long - gap - radii[1] * 1.15
        centres = [(w / 2, first), (w / 2, second)] if scene["relation"] == "vertical" else [(first, h / 2), (second, h / 2)]
    shift = (rng.uniform(-0.02, 0.02), rng.uniform(-0.02, 0.02))
    return [(x + shift[0], y + shift[1], r) for (x, y), r in zip(centres, radii)]


def draw_shape(p, name, colour, x, y, r):
    """One shape; a ring shows what is behind it."""
    p.draw(colour, OUTLINES[name](x, y, r))


def draw_background(p, scene, width, height):
    unit = min(width, height)
    colour = COLOURS[scene["background"]]
    p.draw(p.gradient(0, 0, 0, height / unit, shade(colour, 1.05), shade(colour, 0.96)),
           box(-0.1, -0.1, width / unit + 0.1, height / unit + 0.1), edge=0)


def draw_shapes(p, scene, width, height):
    """Background and shapes, the holder of an inner shape first."""
    draw_background(p, scene, width, height)
    places = list(zip(scene["shapes"], arrange(scene, width, height)))
    for s, (x, y, r) in reversed(places):
        draw_shape(p, s["shape"], COLOURS[s["colour"]], x, y, r)
