"""What is above the horizon and what falls from it: gradient, sun and moon, stars, rainbow, clouds, lightning, rain, fog."""
import math

import cairo

from .palette import DARK_CLOUD, mix, shade
from .pen import TURN, box, disc, path, poly

BOWS = ((222, 60, 60), (246, 150, 50), (252, 220, 70), (80, 176, 90), (60, 120, 220), (134, 80, 190))


def gradient(p, view, look):
    p.draw(p.gradient(0, 0, 0, view.horizon + 0.06, *look.sky), box(-0.1, -0.1, view.w + 0.1, view.h + 0.1), edge=0)


def stars(p, view, rng):
    """Dots, and some four-pointed ones."""
    for _ in range(int(16 * view.w)):
        x, y = rng.uniform(0.02, view.w - 0.02), rng.uniform(0.02, view.horizon - 0.1)
        r = rng.uniform(0.005, 0.008)
        p.draw((240, 240, 255), disc(x, y, r), lit=True, edge=0)
    for _ in range(4):
        x, y, r = rng.uniform(0.06, view.w - 0.06), rng.uniform(0.04, view.horizon * 0.6), rng.uniform(0.022, 0.032)
        q = r * 0.24
        p.draw((255, 250, 220), poly((x, y - r), (x + q, y - q), (x + r, y), (x + q, y + q), (x, y + r), (x - q, y + q),
                                     (x - r, y), (x - q, y - q)), lit=True, edge=0)


def light(p, view, look, at, rng):
    """Sun or moon with its glow."""
    x, y = at
    r = 0.105 if look.time == "sunset" else 0.09
    glow = cairo.RadialGradient(x, y, r * 0.8, x, y, r * 3.0)
    c = p.colour(look.glow, True)
    strong = 0.32 if look.time == "night" else 0.6
    for stop, share in ((0, 1), (0.25, 0.5), (0.6, 0.15), (1, 0)):
        glow.add_color_stop_rgba(stop, *c, strong * share)
    p.draw(glow, disc(x, y, r * 3.0), edge=0)
    crescent = look.time == "night" and rng.random() < 0.45
    if crescent:
        p.draw(look.light, path(f"M{x + r * 0.35} {y - r * 0.94} C{x - r * 1.45} {y - r * 1.1} {x - r * 1.45} {y + r * 1.1} "
                                f"{x + r * 0.35} {y + r * 0.94} C{x - r * 0.5} {y + r * 0.5} {x - r * 0.5} {y - r * 0.5} "
                                f"{x + r * 0.35} {y - r * 0.94} Z"), lit=True)
        return
    p.draw(look.light, disc(x, y, r), lit=True)
    if look.time == "night":
        for dx, dy, q in ((-0.35, -0.25, 0.22), (0.35, 0.1, 0.16), (-0.1, 0.5, 0.15)):
            p.draw((222, 216, 196), disc(x + dx * r, y + dy * r, q * r), lit=True, edge=0)


def rainbow(p, view, rng):
    x, base = view.w * rng.choice([0.3, 0.5, 0.7]), view.horizon + 0.05
    for i, colour in enumerate(BOWS):
        r = 0.5 - i * 0.026
        p.ink(colour, True, 0.8)
        p.ctx.set_line_width(0.028)
        p.ctx.arc(x, base, r, TURN / 2, TURN)
        p.ctx.stroke()


def heap(x, y, k):
    """Discs on a flat base, 2k wide."""
    return (disc(x - 0.55 * k, y - 0.18 * k, 0.32 * k), disc(x - 0.1 * k, y - 0.36 * k, 0.44 * k),
             disc(x + 0.42 * k, y - 0.24 * k, 0.36 * k), disc(x + 0.75 * k, y - 0.12 * k, 0.22 * k),
             box(x - 0.85 * k, y - 0.24 * k, x + 0.95 * k, y + 0.1 * k, 0.16 * k))


def cloud(p, x, y, k, colour, under):
    """One cloud, darker below."""
    p.draw(colour, *heap(x, y, k), lit=True)
    p.draw(under, box(x - 0.82 * k, y - 0.05 * k, x + 0.92 * k, y + 0.1 * k, 0.07 * k), lit=True, edge=0)


def clouds(p, view, look, rng, sun=None):
    """As many as the weather has, beside the sun: one at most when clear, a low dark ceiling when it rains."""
    w = view.w
    if look.weather in DARK_CLOUD:
        deep = shade(look.cloud, 0.86)
        for row, y in ((deep, 0.05), (look.cloud, 0.0)):
            x, parts = rng.uniform(-0.1, 0.05), [box(-0.1, -0.1, w + 0.1, 0.06)]
            while x < w + 0.15:
                k = rng.uniform(0.17, 0.24)
                parts += heap(x, y + rng.uniform(0.08, 0.14), k)
                x += k * 1.35
            p.draw(row, *parts, lit=True)
        return
    number = {"clear": 1 if rng.random() < 0.25 else 0, "cloudy": 3 + int(w), "fog": 0}[look.weather]
    under = mix(look.cloud, look.sky[0], 0.22)
    for i in range(number):
        x = (i + rng.uniform(0.25, 0.75)) * w / number
        y = rng.uniform(0.1, 0.3 if look.weather == "cloudy" else 0.2)
        k = rng.uniform(0.12, 0.17)
        if sun and abs(x - sun[0]) < k + 0.12 and abs(y - sun[1]) < 0.24:
            x = sun[0] + (k + 0.12) * (1 if x > sun[0] else -1)
        cloud(p, x, y, k, look.cloud, under)


def lightning(p, view, x):
    """A jagged bolt from the clouds to the horizon."""
    y0, y1 = 0.14, view.horizon + 0.01
    d = y1 - y0
    bolt = poly((x - 0.02, y0), (x + 0.065, y0), (x + 0.02, y0 + 0.38 * d), (x + 0.085, y0 + 0.36 * d), (x - 0.03, y1),
                (x + 0.0, y0 + 0.52 * d), (x - 0.06, y0 + 0.54 * d))
    glow = cairo.RadialGradient(x, y0 + d / 2, 0.02, x, y0 + d / 2, 0.3)
    glow.add_color_stop_rgba(0, 1, 0.98, 0.8, 0.5)
    glow.add_color_stop_rgba(1, 1, 0.98, 0.8, 0)
    p.draw(glow, disc(x, y0 + d / 2, 0.3), edge=0)
    p.draw((255, 244, 150), bolt, lit=True)


def falling(p, view, look, rng, snow):
    """Rain as slanting streaks, or snowflakes, over the whole picture."""
    if snow:
        for _ in range(int(46 * view.w * view.h)):
            p.draw((255, 255, 255), disc(rng.uniform(0, view.w), rng.uniform(0, view.h), rng.uniform(0.008, 0.015)),
                   lit=True, edge=0)
        return
    colour = (214, 228, 246) if look.time != "night" else (150, 172, 220)
    rows, columns = (6, 7) if p.smooth else (4, 5)
    for i in range(rows):
        for j in range(int(columns * view.w)):
            x = (j + rng.uniform(0.1, 0.9)) / columns + 0.03
            y = (i + rng.uniform(0.1, 0.9)) * view.h / rows
            p.line(colour, 0.0085, (x, y), (x - 0.025, y + 0.075), lit=True, alpha=0.62)


def fog(p, view, look):
    """Soft banks lying across the land, before the objects are drawn."""
    c = p.colour(shade(look.grey, 1.15), True)
    for y, r, strong in ((view.horizon - 0.02, 0.16, 0.75), (view.horizon + 0.22, 0.09, 0.5)):
        g = cairo.LinearGradient(0, y - r, 0, y + r)
        for stop, a in ((0, 0), (0.35, 0.8), (0.5, 1), (0.65, 0.8), (1, 0)):
            g.add_color_stop_rgba(stop, *c, strong * a)
        p.draw(g, box(-0.1, y - r, view.w + 0.1, y + r), edge=0)


def veil(p, view, look):
    """A thin sheet of fog over everything, thickest at the ground."""
    c = p.colour(shade(look.grey, 1.15), True)
    g = cairo.LinearGradient(0, 0, 0, view.h)
    for stop, a in ((0, 0.1), (0.6, 0.1), (1, 0.34)):
        g.add_color_stop_rgba(stop, *c, a)
    p.draw(g, box(-0.1, -0.1, view.w + 0.1, view.h + 0.1), edge=0)


def cloud_sea(p, view, look, rng):
    """The tops of clouds seen from above, three rows deep."""
    low = mix(look.cloud, look.sky[1], 0.45)
    for i, y in enumerate((view.h * 0.72, view.h * 0.82, view.h * 0.93)):
        colour = mix(low, look.cloud, i / 2)
        x, parts = rng.uniform(-0.15, 0), []
        while x < view.w + 0.15:
            r = rng.uniform(0.075, 0.12)
            parts.append(disc(x, y + rng.uniform(0, 0.02), r))
            x += r * rng.uniform(1.1, 1.4)
        parts.append(box(-0.1, y, view.w + 0.1, view.h + 0.1))
        p.draw(p.gradient(0, y - 0.1, 0, y + 0.2, colour, mix(colour, look.sky[1], 0.3)), *parts)


def streak(p, view, look, x, rng):
    """The path of light that sun or moon throws on water below it."""
    y, n = view.horizon + 0.02, 8
    colour = look.light if look.time != "day" else (255, 250, 214)
    for i in range(n):
        t = i / n
        w = (0.04 + 0.07 * t) * rng.uniform(0.6, 1.1)
        cx = x + rng.uniform(-0.02, 0.02)
        p.line(colour, 0.016, (cx - w, y), (cx + w, y), lit=True, alpha=0.6 - 0.35 * t)
        y += 0.028 + 0.02 * t
        if y > view.h - 0.03 or math.isclose(w, 0):
            return
