"""What stands on the horizon behind everything: mountains, the forest's edge, a skyline, the far side of a harbour."""
from .palette import LIT_WINDOW, MOUNTAIN, shade
from .pen import box, poly

WALLS = ((150, 160, 190), (176, 156, 166), (134, 150, 176), (186, 176, 160), (160, 146, 180))
FACADES = ((232, 222, 206), (214, 196, 180), (196, 208, 216), (226, 206, 190), (206, 200, 216))


def mountains(p, view, look, rng, kind):
    """Three peaks, lit from the left; their tops are white when snowy."""
    base = view.horizon + 0.06
    rock = look.scenery(MOUNTAIN, 0.15)
    dark, cap = shade(rock, 0.82), look.scenery((250, 252, 255))
    peaks = [(rng.uniform(0.06, 0.2), rng.uniform(0.2, 0.27)), (rng.uniform(0.8, 0.94), rng.uniform(0.2, 0.27)),
             (rng.uniform(0.4, 0.6), rng.uniform(0.28, 0.36))]
    for at, h in peaks:
        x, top = at * view.w, base - h
        w = h * 1.0
        p.draw(rock, poly((x - w, base), (x, top), (x + w, base)), lit=True)
        p.draw(dark, poly((x + 0.12 * w, base), (x + 0.06 * w, top + 0.55 * h), (x, top), (x + w, base)), lit=True, edge=0)
        if kind == "snowy":
            d = 0.42
            p.draw(cap, poly((x, top), (x + w * d, top + h * d), (x + w * 0.2, top + h * (d - 0.1)), (x + w * 0.06, top + h * (d + 0.04)),
                             (x - w * 0.14, top + h * (d - 0.1)), (x - w * d, top + h * d)), lit=True, edge=0)


def distant_pines(p, view, look, rng):
    """Two rows of dark conifers."""
    base = view.horizon + 0.06
    for row, (colour, far, low, high) in enumerate((((60, 130, 96), 0.35, 0.26, 0.36), ((34, 98, 66), 0.08, 0.19, 0.28))):
        c = look.scenery(colour, far)
        x = rng.uniform(-0.06, 0)
        while x < view.w + 0.06:
            h = rng.uniform(low, high)
            w = h * 0.3
            for b, t, q in ((0.0, 0.62, 1.0), (0.3, 0.82, 0.78), (0.58, 1.0, 0.52)):
                p.draw(c, poly((x - w * q, base - h * b), (x, base - h * t), (x + w * q, base - h * b)), lit=True, edge=0.6 * (b == 0))
            x += rng.uniform(0.085, 0.12)


def skyline(p, view, look, rng):
    """Houses of several floors, their windows lit after dark."""
    base, dark = view.horizon + 0.03, look.time != "day" or look.weather == "storm"
    x = rng.uniform(-0.08, 0)
    while x < view.w:
        w, h = rng.choice([0.12, 0.15, 0.18]), rng.uniform(0.15, 0.34)
        wall = look.scenery(rng.choice(WALLS), 0.2)
        p.draw(wall, box(x, base - h, x + w, base), lit=True)
        p.draw(shade(wall, 0.86), box(x, base - h, x + w, base - h + 0.022), lit=True, edge=0)
        n = int(w / 0.05)
        step = w / n
        y = base - h + 0.045
        while y < base - 0.05:
            for i in range(n):
                lit = dark and rng.random() < 0.65
                glass = LIT_WINDOW if lit else shade(wall, 0.66 if dark else 1.5)
                wx = x + (i + 0.5) * step
                p.draw(glass, box(wx - 0.012, y, wx + 0.012, y + 0.03), lit=True, edge=0)
            y += 0.062
        x += w


def far_quay(p, view, look, rng):
    """A low row of gabled houses across the water."""
    base, dark = view.horizon + 0.012, look.time != "day"
    x = rng.uniform(-0.06, 0)
    while x < view.w:
        w, h = rng.uniform(0.085, 0.12), rng.uniform(0.07, 0.12)
        wall = look.scenery(rng.choice(FACADES), 0.25)
        roof = look.scenery((158, 96, 84), 0.3)
        p.draw(wall, box(x, base - h, x + w, base), lit=True, edge=0.6)
        p.draw(roof, poly((x - 0.006, base - h), (x + w / 2, base - h - 0.05), (x + w + 0.006, base - h)), lit=True, edge=0.6)
        for wx in (x + w * 0.3, x + w * 0.7):
            p.draw(LIT_WINDOW if dark else shade(wall, 0.6), box(wx - 0.011, base - h + 0.022, wx + 0.011, base - h + 0.05),
                   lit=True, edge=0)
        x += w
    p.draw(look.scenery((150, 138, 126), 0.2), box(-0.1, base - 0.004, view.w + 0.1, base + 0.018), lit=True, edge=0)
