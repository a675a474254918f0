"""Buildings: house, tower, lighthouse, windmill, bridge, tent and pyramid."""
import math

from .palette import LIT_WINDOW, shade
from .pen import box, disc, path, poly
from .subjects import subject

GLASS, DOOR, ROOF, STONE = (196, 228, 250), (104, 66, 46), (136, 70, 56), (186, 180, 176)


def window(p, x, y, w, h):
    """A pane that glows in the dark, centred at (x, y)."""
    dark = p.tone(GLASS)[2] < 230
    p.draw(LIT_WINDOW if dark else GLASS, box(x - w / 2, y - h / 2, x + w / 2, y + h / 2), lit=dark, edge=0.5)
    if p.smooth:  # there is no room for a bar between large pixels
        p.line((250, 250, 250), 0.02, (x, y - h / 2), (x, y + h / 2))


@subject("house", 1.15)
def house(p, colour, vary):
    roof = ROOF if vary < 0.6 else (92, 88, 104)
    if colour[0] > 200 and colour[1] < 80:
        roof = (92, 88, 104)  # a red house has a grey roof
    if vary > 0.3:
        p.draw(shade(roof, 0.8), box(0.22, -0.97, 0.35, -0.66))
    p.draw(colour, box(-0.46, -0.56, 0.46, 0))
    p.draw(colour, poly((-0.46, -0.54), (0, -0.9), (0.46, -0.54)), edge=0)
    p.draw(shade(colour, 0.86), box(-0.46, -0.1, 0.46, 0), edge=0)
    p.draw(roof, poly((-0.58, -0.48), (0, -1.0), (0.58, -0.48), (0.49, -0.42), (0, -0.84), (-0.49, -0.42)))
    p.draw(DOOR, box(-0.12, -0.36, 0.12, 0), edge=0.7)
    window(p, -0.29, -0.33, 0.18, 0.2)
    window(p, 0.29, -0.33, 0.18, 0.2)


@subject("tower", 0.56, 1.3)
def tower(p, colour, vary):
    p.draw(STONE, poly((-0.17, 0), (-0.15, -0.66), (0.15, -0.66), (0.17, 0)))
    p.draw(shade(STONE, 0.84), poly((0.06, 0), (0.055, -0.62), (0.15, -0.62), (0.17, 0)), edge=0)
    p.draw(shade(STONE, 0.94), box(-0.2, -0.7, 0.2, -0.58))
    p.draw(colour, poly((-0.28, -0.68), (0, -1.03), (0.28, -0.68)))
    p.draw(shade(colour, 0.82), poly((0.07, -0.68), (0, -1.03), (0.28, -0.68)), edge=0)
    p.draw(DOOR, path("M-0.07 0 L-0.07 -0.11 C-0.07 -0.19 0.07 -0.19 0.07 -0.11 L0.07 0 Z"), edge=0.6)
    window(p, 0, -0.34, 0.085, 0.11)
    window(p, 0, -0.5, 0.085, 0.11)


@subject("lighthouse", 0.6, 1.35, floats=True)
def lighthouse(p, colour, vary):
    p.draw((118, 112, 112), path("M-0.32 0.05 L-0.25 -0.05 L-0.12 -0.1 L0.14 -0.11 L0.26 -0.04 L0.32 0.05 Z"))
    edge = [0.16 - 0.065 * i / 5 for i in range(6)]
    levels = [-0.08 - 0.118 * i for i in range(6)]
    p.draw((250, 250, 250), poly((-edge[0], levels[0]), (-edge[5], levels[5]), (edge[5], levels[5]), (edge[0], levels[0])))
    for i in (0, 2, 4):
        p.draw((218, 48, 48), poly((-edge[i], levels[i]), (-edge[i + 1], levels[i + 1]), (edge[i + 1], levels[i + 1]),
                                   (edge[i], levels[i])), edge=0)
    p.draw((70, 66, 80), box(-0.135, -0.71, 0.135, -0.665), edge=0.6)
    p.draw((255, 236, 130), box(-0.075, -0.85, 0.075, -0.71), lit=True, edge=0.6)
    p.draw((196, 42, 46), poly((-0.11, -0.845), (0, -1.0), (0.11, -0.845)))


@subject("windmill", 0.92, 1.3)
def windmill(p, colour, vary):
    p.draw((240, 232, 216), poly((-0.22, 0), (-0.14, -0.56), (0.14, -0.56), (0.22, 0)))
    p.draw((214, 202, 184), poly((0.08, 0), (0.05, -0.56), (0.14, -0.56), (0.22, 0)), edge=0)
    p.draw(ROOF, path("M-0.18 -0.55 C-0.14 -0.76 0.14 -0.76 0.18 -0.55 Z"))
    p.draw(DOOR, box(-0.06, -0.16, 0.06, 0), edge=0.6)
    window(p, 0, -0.33, 0.09, 0.1)
    hub, turn = -0.58, 0.3 + vary * 0.9
    for i in range(4):
        a = turn + i * math.pi / 2
        c, s = math.cos(a), math.sin(a)
        at = [(c * u - s * v, hub + s * u + c * v) for u, v in ((0.1, 0.02), (0.44, 0.02), (0.44, 0.14), (0.1, 0.14))]
        p.draw((252, 250, 244), poly(*at), edge=0.7)
        p.line((110, 78, 56), 0.035, (0, hub), (c * 0.45, hub + s * 0.45))
    p.draw((110, 78, 56), disc(0, hub, 0.05), edge=0.6)


@subject("bridge", 2.1, 0.95, floats=True)
def bridge(p, colour, vary):
    red = (204, 62, 46)
    for x0, y0, x1, y1, dip in ((-1.05, -0.4, -0.55, -0.95, -0.56), (-0.55, -0.95, 0.55, -0.95, -0.2),
                                (0.55, -0.95, 1.05, -0.4, -0.56)):
        points = []
        for i in range(9):
            t = i / 8
            points.append(((1 - t) ** 2 * x0 + t * (1 - t) * (x0 + x1) + t * t * x1,
                           (1 - t) ** 2 * y0 + 2 * t * (1 - t) * dip + t * t * y1))
        for x, y in points[2:-1:2] if x1 - x0 < 1 else points[1:-1]:
            p.line(red, 0.035, (x, y), (x, -0.34))
        p.line(red, 0.07, *points)
    p.draw(red, box(-1.05, -0.42, 1.05, -0.25))
    p.line(shade(red, 1.35), 0.04, (-1.03, -0.38), (1.03, -0.38))
    for x in (-0.55, 0.55):
        p.draw(shade(red, 0.88), box(x - 0.09, -1.0, x + 0.09, 0.03))
        p.draw((126, 122, 126), box(x - 0.15, -0.09, x + 0.15, 0.05), edge=0.7)


@subject("tent", 1.4, 0.9)
def tent(p, colour, vary):
    p.draw(shade(colour, 0.78), poly((-0.3, 0), (0.04, -0.94), (0.7, 0)))
    p.draw(colour, poly((-0.7, 0), (-0.02, -0.96), (0.34, 0)))
    p.draw((58, 44, 50), path("M-0.34 0 Q-0.1 -0.2 -0.03 -0.66 Q-0.02 -0.2 0.06 0 Z"), edge=0.5)
    p.line((110, 76, 50), 0.045, (-0.03, -0.94), (0.03, -1.03))


@subject("pyramid", 1.6)
def pyramid(p, colour, vary):
    light, dark = (236, 188, 100), (186, 134, 70)
    p.draw(light, poly((-0.8, 0), (0, -1.0), (0.8, 0)))
    p.draw(dark, poly((0.22, 0), (0, -1.0), (0.8, 0)), edge=0)
    for t in (0.25, 0.45, 0.63, 0.8):
        y, w = -1 + t, 0.8 * t
        p.line(shade(light, 0.88), 0.022, (-w, y), (0.22 * t, y))
    p.draw((96, 64, 46), poly((-0.2, 0), (-0.17, -0.15), (-0.05, -0.15), (-0.02, 0)), edge=0)
