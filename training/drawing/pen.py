"""The pens: one per style (flat, outlined, paper-cut), each of which fills paths on a cairo context in its own manner."""
import contextlib
import functools
import math
import re

import cairo

from .palette import OUTLINE, mix

TURN = 2 * math.pi


def disc(x, y, r, ry=None):
    """A circle or ellipse."""
    return ("disc", x, y, r, r if ry is None else ry)


def ring(x, y, r, hole):
    """A circle with a round hole."""
    return ("ring", x, y, r, hole)


def poly(*points):
    """A closed polygon."""
    return ("poly", points)


def box(x0, y0, x1, y1, r=0.0):
    """A rectangle, with corners of radius r."""
    return ("round", x0, y0, x1, y1, r) if r else ("poly", ((x0, y0), (x1, y0), (x1, y1), (x0, y1)))


def path(text):
    """A closed path in SVG's absolute M, L, C, Q and Z."""
    return ("path", parse(text))


@functools.lru_cache(maxsize=None)
def parse(text):
    """[(command, numbers)] of an SVG path."""
    return tuple((c, tuple(float(v) for v in re.findall(r"-?[\d.]+", numbers)))
                 for c, numbers in re.findall(r"([MLCQZ])([^MLCQZ]*)", text))


def uneven(x, y, amount):
    """The point a little off, the same way every time."""
    return x + amount * math.sin(x * 91.7 + y * 47.3 + 1.3), y + amount * math.sin(x * 53.9 - y * 83.1 + 0.7)


class Pen:
    """Flat colours. `tone` tints what is drawn unless it is lit (glows by itself or is tinted already)."""

    mute = 0.0  # share of paper colour in every colour
    smooth = True

    def __init__(self, ctx, tone=lambda c: c, line=0.014):
        self.ctx, self.tone, self.line_width, self.k, self.flip = ctx, tone, line, 1.0, 1

    def colour(self, c, lit=False):
        """Components in 0..1."""
        c = c if lit else self.tone(c)
        if self.mute:
            c = mix(c, (226, 208, 186), self.mute)
        return c[0] / 255, c[1] / 255, c[2] / 255

    def gradient(self, x0, y0, x1, y1, *stops):
        """A linear gradient of evenly spaced colours, to be used in place of a colour."""
        g = cairo.LinearGradient(x0, y0, x1, y1)
        for i, c in enumerate(stops):
            g.add_color_stop_rgb(i / (len(stops) - 1), *self.colour(c, True))
        return g

    @contextlib.contextmanager
    def at(self, x, y, k, flip=1, angle=0.0):
        """Draws an object of height k at (x, y), facing the other way if flip is -1."""
        outer = self.k, self.flip
        self.ctx.save()
        self.ctx.translate(x, y)
        if angle:
            self.ctx.rotate(angle)
        self.ctx.scale(k * flip, k)
        self.k, self.flip = self.k * k, self.flip * flip
        yield self
        self.ctx.restore()
        self.k, self.flip = outer

    def ink(self, colour, lit, alpha=1.0):
        if isinstance(colour, cairo.Pattern):
            self.ctx.set_source(colour)
        else:
            self.ctx.set_source_rgba(*self.colour(colour, lit), alpha)

    def trace(self, part):
        ctx, kind = self.ctx, part[0]
        if kind == "disc":
            self.trace_disc(*part[1:])
        elif kind == "ring":
            x, y, r, hole = part[1:]
            self.trace_disc(x, y, r, r)
            self.trace_disc(x, y, hole, -hole)  # wound the other way round
        elif kind == "poly":
            self.trace_poly(part[1])
        elif kind == "round":
            x0, y0, x1, y1, r = part[1:]
            ctx.new_sub_path()
            for x, y, a in ((x1 - r, y0 + r, -1), (x1 - r, y1 - r, 0), (x0 + r, y1 - r, 1), (x0 + r, y0 + r, 2)):
                ctx.arc(x, y, r, a * TURN / 4, (a + 1) * TURN / 4)
            ctx.close_path()
        else:
            self.trace_path(part[1])

    def trace_path(self, commands):
        ctx = self.ctx
        for command, n in commands:
            if command == "M":
                ctx.move_to(*n)
            elif command == "L":
                for i in range(0, len(n), 2):
                    ctx.line_to(n[i], n[i + 1])
            elif command == "C":
                for i in range(0, len(n), 6):
                    ctx.curve_to(*n[i:i + 6])
            elif command == "Q":
                x, y = ctx.get_current_point()
                a, b, u, v = n
                ctx.curve_to(x + (a - x) * 2 / 3, y + (b - y) * 2 / 3, u + (a - u) * 2 / 3, v + (b - v) * 2 / 3, u, v)
            else:
                ctx.close_path()

    def trace_disc(self, x, y, r, ry):
        ctx = self.ctx
        ctx.new_sub_path()
        if r == ry:
            ctx.arc(x, y, r, 0, TURN)
        else:
            ctx.save()
            ctx.translate(x, y)
            ctx.scale(r, ry)
            ctx.arc(0, 0, 1, 0, TURN)
            ctx.restore()
        ctx.close_path()

    def trace_poly(self, points):
        ctx = self.ctx
        ctx.move_to(*points[0])
        for point in points[1:]:
            ctx.line_to(*point)
        ctx.close_path()

    def draw(self, colour, *parts, lit=False, edge=1.0, alpha=1.0):
        """Fills the union of the parts; edge scales the outline (or cast shadow) that the style gives it, 0 for none."""
        self.ink(colour, lit, alpha)
        for part in parts:
            self.trace(part)
            self.ctx.fill()

    def curve(self, colour, width, part, lit=False, alpha=1.0):
        """A stroke along a path, without outline or shadow."""
        self.ink(colour, lit, alpha)
        self.ctx.set_line_width(width if self.smooth else max(width, 1.2 * self.line_width / self.k))
        self.trace(part)
        self.ctx.stroke()

    def line(self, colour, width, *points, lit=False, alpha=1.0):
        """A stroke through points, without outline or shadow."""
        ctx = self.ctx
        self.ink(colour, lit, alpha)
        ctx.set_line_width(width if self.smooth else max(width, 1.2 * self.line_width / self.k))
        ctx.move_to(*points[0])
        for point in points[1:]:
            ctx.line_to(*point)
        ctx.stroke()


class OutlinePen(Pen):
    """Dark contours around everything."""

    def draw(self, colour, *parts, lit=False, edge=1.0, alpha=1.0):
        if edge and alpha == 1:
            ctx = self.ctx
            ctx.set_source_rgb(*self.colour(OUTLINE, True))
            ctx.set_line_width(2 * self.line_width * edge / self.k)
            for part in parts:
                self.trace(part)
            ctx.stroke()
        super().draw(colour, *parts, lit=lit, edge=edge, alpha=alpha)


class PixelPen(Pen):
    """Hard edges, for pictures drawn small and enlarged."""

    smooth = False


class PaperPen(Pen):
    """Cut paper: uneven edges, muted colours, and a soft shadow on what lies behind."""

    mute = 0.14
    rough = 0.0045

    def trace_poly(self, points):
        amount = self.rough / self.k
        super().trace_poly([uneven(x, y, amount) for x, y in points])

    def trace_disc(self, x, y, r, ry):
        size = r * self.k
        n = 11 if 0 < size < 0.06 else 16 if size < 0.11 else 26
        super().trace_poly([uneven(x + r * math.cos(i * TURN / n), y + ry * math.sin(i * TURN / n), self.rough / self.k)
                            for i in range(n)])

    def draw(self, colour, *parts, lit=False, edge=1.0, alpha=1.0):
        if edge and alpha == 1:
            ctx = self.ctx
            ctx.set_source_rgba(0.08, 0.05, 0.14, 0.13)
            for reach in (0.008, 0.014, 0.02):
                ctx.save()
                ctx.translate(reach * edge * 0.8 / self.k * self.flip, reach * edge / self.k)
                for part in parts:
                    self.trace(part)
                ctx.restore()
                ctx.fill()
        super().draw(colour, *parts, lit=lit, edge=edge, alpha=alpha)


PENS = {"flat": Pen, "outlined": OutlinePen, "pixel": PixelPen, "paper-cut": PaperPen}
