"""The registry of what can be drawn: painters by name, with the size and width each has relative to its nominal height."""
import importlib
import pkgutil
from typing import Callable, NamedTuple


class Subject(NamedTuple):
    """draw(pen, colour, vary) paints it 1 high, standing at (0, 0) or, if it flies, around it; vary is in 0..1."""

    draw: Callable
    width: float  # of its height
    scale: float  # its height, of the nominal height of its size
    flips: bool
    flies: bool
    floats: bool


SUBJECTS = {}


def subject(name, width, scale=1.0, flips=False, flies=False, floats=False):
    """Registers a painter."""
    def register(draw):
        SUBJECTS[name] = Subject(draw, width, scale, flips, flies, floats)
        return draw
    return register


def load():
    """Imports every objects_*.py beside this file."""
    package = __name__.rsplit(".", 1)[0]
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if module.name.startswith("objects_"):
            importlib.import_module(f"{package}.{module.name}")
    return SUBJECTS
