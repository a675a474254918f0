"""Plants: tree, pine, palm, cactus and flower."""
import math

from .palette import shade
from .pen import box, disc, path, poly
from .subjects import subject

BARK = (112, 74, 48)


@subject("tree", 0.85, 1.1)
def tree(p, colour, vary):
    p.draw(BARK, poly((-0.09, 0), (-0.055, -0.45), (0.055, -0.45), (0.09, 0)))
    if vary < 0.7:
        crown = (disc(-0.22, -0.5, 0.2), disc(0.22, -0.5, 0.2), disc(0, -0.72, 0.27), disc(-0.14, -0.66, 0.2),
                 disc(0.16, -0.64, 0.2), disc(0, -0.5, 0.2))
    else:
        crown = (disc(0, -0.64, 0.36),)
    p.draw(colour, *crown)
    p.draw(shade(colour, 0.84), path("M-0.36 -0.4 C-0.1 -0.36 0.26 -0.44 0.4 -0.6 C0.42 -0.3 0.12 -0.28 0.02 -0.31 "
                                     "C-0.1 -0.28 -0.34 -0.28 -0.36 -0.4 Z"), edge=0)
    p.draw(shade(colour, 1.25), disc(-0.08, -0.8, 0.1), edge=0)


@subject("pine", 0.62, 1.15)
def pine(p, colour, vary):
    green = (30, 116, 72)
    p.draw(BARK, box(-0.055, -0.2, 0.055, 0))
    for base, top, w in ((-0.13, -0.56, 0.31), (-0.37, -0.78, 0.25), (-0.6, -1.0, 0.18)):
        p.draw(green, poly((-w, base), (0, top), (w, base)))
        p.draw(shade(green, 0.78), poly((0.05, base), (0, top), (w, base)), edge=0)


@subject("palm", 0.95, 1.2, flips=True)
def palm(p, colour, vary):
    p.draw((150, 108, 64), path("M-0.1 0 C0.0 -0.25 0.0 -0.45 -0.04 -0.68 L0.06 -0.7 C0.1 -0.45 0.1 -0.2 0.06 0 Z"))
    green, x, y = (46, 154, 74), 0.01, -0.7
    leaves = ((-0.46, -0.46, -0.2), (0.46, -0.46, -0.2), (-0.44, -0.78, -0.3), (0.46, -0.78, -0.3), (-0.2, -0.96, -0.2),
              (0.24, -0.96, -0.2))
    for i, (u, v, lift) in enumerate(leaves):
        mx, my = (x + u) / 2, (y + v) / 2 + lift * 0.8
        p.draw(shade(green, 0.82) if i % 2 else green,
               ("path", (("M", (x, y)), ("Q", (mx, my, u, v)), ("Q", (mx + 0.02, my + 0.2, x, y + 0.07)), ("Z", ()))), edge=0.8)
    p.draw((106, 66, 40), disc(-0.04, -0.66, 0.05), disc(0.06, -0.65, 0.05), edge=0.6)


@subject("cactus", 0.75)
def cactus(p, colour, vary):
    green, left, right = (50, 146, 80), -0.62 - 0.12 * vary, -0.82 + 0.15 * vary
    p.draw(green, box(-0.12, -1.0, 0.12, 0.0, 0.119), box(-0.37, left - 0.1, -0.19, -0.3, 0.089),
           box(-0.37, -0.45, 0, -0.28, 0.08), box(0.19, right, 0.37, -0.42, 0.089), box(0, -0.57, 0.37, -0.4, 0.08),
           box(-0.12, -0.3, 0.12, 0.0))
    for x in (-0.045, 0.045):
        p.line(shade(green, 0.72), 0.026, (x, -0.88), (x, -0.04))
    if vary > 0.4:
        p.draw((240, 110, 160), disc(0, -1.0, 0.07), edge=0.6)


@subject("flower", 0.72, 1.12)
def flower(p, colour, vary):
    green = (52, 142, 62)
    p.line(green, 0.065, (0, 0), (0.02, -0.3), (0, -0.62))
    p.draw(green, path("M0 -0.05 C-0.1 -0.3 -0.28 -0.34 -0.32 -0.3 C-0.3 -0.12 -0.15 -0.02 0 -0.05 Z"),
           path("M0.01 -0.1 C0.1 -0.34 0.26 -0.4 0.31 -0.36 C0.28 -0.2 0.16 -0.08 0.01 -0.1 Z"), edge=0.7)
    if vary < 0.65:
        heart = (250, 200, 60) if colour[2] > 80 or colour[1] < 160 else (150, 88, 44)
        n, y = 6, -0.66
        p.draw(colour, *(disc(0.21 * math.sin(i * math.tau / n + 0.3), y - 0.21 * math.cos(i * math.tau / n + 0.3), 0.14)
                         for i in range(n)), disc(0, y, 0.16))
        p.draw(heart, disc(0, y, 0.11), edge=0.5)
    else:  # a tulip
        p.draw(colour, path("M-0.28 -0.95 L-0.12 -0.78 L0 -1.0 L0.12 -0.78 L0.28 -0.95 C0.36 -0.55 0.18 -0.43 0 -0.43 "
                            "C-0.18 -0.43 -0.36 -0.55 -0.28 -0.95 Z"))
        p.draw(shade(colour, 0.84), path("M0.12 -0.78 L0.28 -0.95 C0.36 -0.55 0.18 -0.43 0 -0.43 "
                                       "C0.12 -0.52 0.15 -0.66 0.12 -0.78 Z"), edge=0)
