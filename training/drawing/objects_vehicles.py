"""Vehicles: car, boat and hot-air balloon."""
from .palette import shade
from .pen import box, disc, path, poly
from .subjects import subject

WOOD, GLASS, RUBBER = (134, 80, 48), (200, 230, 250), (40, 40, 48)


@subject("car", 1.9, 0.76, flips=True)
def car(p, colour, vary):
    p.draw(colour, path("M-0.92 -0.2 C-0.96 -0.5 -0.86 -0.56 -0.66 -0.58 C-0.5 -0.9 -0.4 -1.0 -0.1 -1.0 C0.22 -1.0 0.34 -0.9 0.5 -0.6 "
                        "C0.8 -0.56 0.94 -0.5 0.94 -0.2 Z"))
    p.draw(GLASS, path("M-0.52 -0.58 C-0.42 -0.8 -0.34 -0.88 -0.12 -0.88 L-0.12 -0.58 Z"),
           path("M-0.03 -0.88 C0.16 -0.88 0.24 -0.82 0.36 -0.58 L-0.03 -0.58 Z"), edge=0.6)
    p.draw(shade(colour, 0.8) if sum(colour) > 150 else (70, 70, 80), box(-0.92, -0.33, 0.94, -0.2), edge=0)
    p.draw((255, 240, 150), disc(0.86, -0.42, 0.075), lit=True, edge=0.5)
    for x in (-0.52, 0.52):
        p.draw(RUBBER, disc(x, -0.2, 0.2))
        p.draw((206, 208, 214), disc(x, -0.2, 0.09), edge=0)


@subject("boat", 1.05, 1.15, flips=True, floats=True)
def boat(p, colour, vary):
    p.line((104, 70, 46), 0.045, (0, -1.0), (0, -0.15))
    p.draw(colour, path("M0.04 -0.98 C0.3 -0.75 0.44 -0.5 0.46 -0.26 L0.04 -0.24 Z"))
    p.draw(shade(colour, 0.84), path("M-0.05 -0.86 C-0.24 -0.68 -0.36 -0.48 -0.4 -0.28 L-0.05 -0.26 Z"))
    p.draw(WOOD, path("M-0.52 -0.19 L0.54 -0.19 C0.5 -0.04 0.42 0.04 0.34 0.05 L-0.32 0.05 C-0.42 0.02 -0.5 -0.08 -0.52 -0.19 Z"))
    p.draw((248, 240, 224), poly((-0.52, -0.19), (0.54, -0.19), (0.52, -0.12), (-0.5, -0.12)), edge=0)


@subject("balloon", 0.7, 1.3, flies=True)
def balloon(p, colour, vary):
    dark, light = shade(colour, 0.76), shade(colour, 1.3)
    if min(colour) > 235:
        dark, light = (206, 210, 222), (255, 255, 255)
    for x in (-0.075, 0.075):
        p.line((104, 76, 50), 0.02, (x * 1.5, 0.24), (x, 0.4))
    p.draw(colour, path("M0 -0.5 C0.48 -0.5 0.42 -0.04 0.13 0.26 L-0.13 0.26 C-0.42 -0.04 -0.48 -0.5 0 -0.5 Z"))
    p.draw(dark, path("M0 -0.5 C-0.28 -0.46 -0.3 -0.02 -0.09 0.26 L-0.13 0.26 C-0.42 -0.04 -0.48 -0.5 0 -0.5 Z"),
           path("M0 -0.5 C0.28 -0.46 0.3 -0.02 0.09 0.26 L0.13 0.26 C0.42 -0.04 0.48 -0.5 0 -0.5 Z"), edge=0)
    p.draw(light, path("M0 -0.5 C0.13 -0.44 0.13 0.0 0.04 0.26 L-0.04 0.26 C-0.13 0.0 -0.13 -0.44 0 -0.5 Z"), edge=0)
    p.draw((150, 98, 54), box(-0.09, 0.38, 0.09, 0.5, 0.02), edge=0.8)
