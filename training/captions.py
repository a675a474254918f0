"""Turns scene descriptions into captions with varied wording, and tells which attributes the words say."""
import argparse
import json
import random
import re

from . import wording as w
from .scenes import SLOTS
from .schedule import UNSEEN, scene_of

MAX_TOKENS = 30  # the encoders take 32 with their special ones
SPLIT = re.compile(r"[a-z0-9]+(?:-[a-z]+)*|[^\sa-z0-9]")  # the T5-style tokens of a caption
CLIP_SPLIT = re.compile(r"[a-z]+|[0-9]|[^\sa-z0-9]+")  # the CLIP-style ones
MARK = 0xE000  # private-use characters stand before the noun of each group until its token is known


def article(phrase):
    """The phrase with "a" or "an"."""
    first = re.sub(r"[^a-z]", "", phrase)[:1]
    return ("an " if first in "aeiou" else "a ") + phrase


def listed(parts, rng):
    """a, b and c."""
    if len(parts) < 2:
        return "".join(parts)
    return ", ".join(parts[:-1]) + rng.choice([" and ", " and ", ", "]) + parts[-1]


def marked(noun, index):
    """The noun phrase with a mark before its last word."""
    head = noun.rfind(" ") + 1
    return noun[:head] + chr(MARK + index) + noun[head:]


class Writer:
    """Writes one caption; `said` collects what its words say. `brief` 0..3 leaves ever more words out."""

    def __init__(self, scene, rng, brief):
        self.scene, self.rng, self.brief, self.said = scene, rng, brief, {}

    def likely(self, chance, cut=9):
        """A yes with that chance, never once brevity has reached `cut`."""
        return self.brief < cut and self.rng.random() < chance

    def words(self, table, key):
        """One of the ways to say it; the plainest where the caption has to be brief."""
        return self.rng.choice(table[key]) if self.brief < 2 else min(table[key], key=len)

    def note(self, key):
        self.said[key] = self.scene[key]

    def style(self, text):
        """The text with the style's words before or after it, where they are said."""
        style, rng = self.scene["style"], self.rng
        if not self.likely(0.12, 1) if style == "flat" else not self.likely(0.97):
            return text
        self.note("style")
        before = rng.random() < 0.45 and not text.startswith(("a picture of", "an empty", "on ", "in ", "at ", "high ", "up ", "above "))
        return f"{self.words(w.STYLE_BEFORE, style)} {text}" if before else f"{text}, {self.words(w.STYLE_AFTER, style)}"

    def colour(self, name):
        return self.rng.choice(w.COLOUR_WORD.get(name, [name]))

    def finish(self, text):
        """The caption without marks, and what it says with the token index of each group's noun."""
        text = text + "." if self.likely(0.04, 1) else text
        clean = re.sub(r"[\ue000-\ue0ff]", "", text)
        for i, group in enumerate(self.said["groups"]):
            position = text.find(chr(MARK + i))
            prefix = re.sub(r"[\ue000-\ue0ff]", "", text[:position])
            group["token"] = len(SPLIT.findall(prefix))
        return clean, self.said


class LandscapeWriter(Writer):
    """Captions of landscapes."""

    def group(self, index, where=True):
        """Words for one group of equal objects; its place unless `where` is false or left out."""
        rng, group = self.rng, self.scene["objects"][index]
        name, count, colour = group["name"], group["count"], group["colour"]
        said = {"name": name, "count": count, "colour": None, "size": None, "slot": None}
        crowd = count > 1 and len(self.scene["objects"]) > 1  # such groups are small for want of room
        lone = count > 1 and not crowd  # such groups are in the middle for want of another place
        noun = (rng.choice(w.NOUN[name]) if self.brief < 2 else w.NOUN[name][-1])[count > 1]
        after = ""
        if colour and not (colour == w.USUAL_COLOUR.get(name) and rng.random() < 0.5):
            said["colour"], colour = colour, self.colour(colour)
            if name == "person" or name in w.COLOURED_PART and self.likely(0.4, 2):
                part = rng.choice(w.COLOURED_PART[name])[count > 1]
                after = " " + part.format(a=article(colour), c=colour)
            else:
                noun = f"{colour} {noun}"
        if group["size"] != "medium" and self.likely(0.25 if crowd and group["size"] == "small" else 0.97):
            said["size"] = group["size"]
            noun = f"{self.words(w.SIZE, group['size'])} {noun}"
        text = (f"{self.words(w.COUNT, count)} {marked(noun, index)}" if count > 1 else article(marked(noun, index))) + after
        self.said["groups"][index] = said
        if where and self.likely(0.15 if lone else 0.9, 4):
            said["slot"] = group["slot"]
            slot = self.words(w.SLOT, group["slot"])
            text = f"{slot} {text}" if self.likely(0.12, 1) else f"{text} {slot}"
        return text

    def things(self):
        """Words for all groups, sometimes by how they stand to each other."""
        objects, rng = self.scene["objects"], self.rng
        order = sorted(range(len(objects)), key=lambda i: SLOTS.index(objects[i]["slot"]))
        places = [SLOTS.index(objects[i]["slot"]) for i in order]
        if len(objects) == 2 and rng.random() < 0.32:
            first, second = order
            self.said["relation"] = ("left of", first, second)
            form = rng.choice(w.LEFT_OF)
            if places[1] - places[0] == 1 and rng.random() < 0.2:
                self.said["relation"], form = ("next to", first, second), rng.choice(w.NEXT_TO)
                first, second = rng.sample(order, 2)
            # The place of one of them may be told as well: of the one named last, where it reads best.
            tell = rng.random() < 0.35
            last = "b" if form.endswith("{b}") else "a"
            return [form.format(a=self.group(first, tell and last == "a"), b=self.group(second, tell and last == "b"))]
        if len(objects) == 3 and rng.random() < 0.25:
            a, m, b = order
            self.said["relation"] = ("between", a, m, b)
            form = rng.choice(w.BETWEEN)
            if form == w.BETWEEN[0] and rng.random() < 0.5:
                a, b = b, a
            return [form.format(a=self.group(a, False), m=self.group(m, False), b=self.group(b, False))]
        parts = [self.group(i) for i in range(len(objects))]
        rng.shuffle(parts)
        return parts

    def extras(self):
        """Words for mountains, stars, rainbow, sun or moon, as many as are said."""
        s, out = self.scene, []
        for key, table in (("mountains", w.MOUNTAINS), ("stars", {True: w.STARS}), ("rainbow", {True: w.RAINBOW})):
            if s[key] and self.likely(0.93, 3):
                self.note(key)
                out.append(self.words(table, s[key]))
        if s["light"] and self.likely(0.9, 3):
            text = self.rng.choice(w.MOON if s["time"] == "night" else w.SUN)
            self.said["light"] = "somewhere"
            if self.likely(0.8, 2):
                self.note("light")
                text += " " + self.words(w.SLOT, s["light"])
            out.append(text)
        self.rng.shuffle(out)
        return out

    def weather(self):
        """The weather's key in the word tables, or None where it is not said."""
        s = self.scene
        if not self.likely(0.1, 1) if s["weather"] == "clear" else not self.likely(0.96, 3):
            return None
        self.note("weather")
        return "snowfall" if s["place"] == "snow" and s["weather"] == "rain" else s["weather"]

    def when(self, weather):
        """Words for time and weather, beginning with a blank, or nothing."""
        time, rng = self.scene["time"], self.rng
        if weather and rng.random() < 0.3:
            self.note("time")
            return " on " + article(f"{rng.choice(w.WEATHER_ADJECTIVE[weather])} {w.MOMENT[time]}")
        text = ""
        if self.likely(0.75) if time == "day" else self.likely(0.98):
            self.note("time")
            text = " " + self.words(w.TIME, time)
        return text + (" " + self.words(w.WEATHER, weather) if weather else "")

    def tags(self):
        """Bare phrases with commas: "two red boats, lighthouse on the right, sea at sunset, pixel art"."""
        s, rng = self.scene, self.rng
        self.note("place")
        where = re.sub(r"^(an?|the) ", "", self.words(w.PLACE, s["place"])[1])
        parts = [re.sub(r"^an? ", "", p) for p in self.things() + self.extras()]
        weather, time = self.weather(), None
        if self.likely(0.75) if s["time"] == "day" else self.likely(0.98):
            self.note("time")
            time = s["time"]
        if time and rng.random() < 0.5:
            where += " " + self.words(w.TIME, time)
        elif time:
            parts.append(self.words(w.TIME_TAG, time))
        if weather:
            parts.append(self.words(w.WEATHER_TAG, weather))
        rng.shuffle(parts)
        return ", ".join([where] + parts if rng.random() < 0.5 else parts + [where])

    def write(self):
        """One caption and what it says."""
        s, rng = self.scene, self.rng
        self.said["groups"] = [None] * len(s["objects"])
        if self.brief > 2 or rng.random() < 0.3:
            return self.finish(self.style(self.tags()))
        self.note("place")
        where, place = rng.choice(w.PLACE[s["place"]])
        things, extras, when = self.things(), self.extras(), self.when(self.weather())
        if things and rng.random() < 0.6:
            sky = rng.choice([" with ", ", "]) + listed(extras, rng) if extras else ""
            text = rng.choice(w.SENTENCE).format(things=listed(things, rng), where=where, when=when, sky=sky)
            return self.finish(self.style(text))
        rest = things + extras if rng.random() < 0.5 else extras + things
        form = rng.choice(w.SCENE if rest else w.EMPTY)
        return self.finish(self.style(form.format(place=place, when=when, rest=listed(rest, rng))))


class ShapesWriter(Writer):
    """Captions of plain shapes."""

    def shape(self, index):
        """Words for one shape."""
        shape = self.scene["shapes"][index]
        said = {"name": shape["shape"], "count": 1, "colour": shape["colour"], "size": None, "slot": None}
        noun = f"{self.colour(shape['colour'])} {marked(self.rng.choice(w.SHAPE[shape['shape']]), index)}"
        inside = self.scene["relation"] == "inside"  # then the sizes go without saying
        if shape["size"] != "medium" and self.likely(0.4 if inside else 0.97):
            said["size"] = shape["size"]
            noun = f"{self.words(w.SIZE, shape['size'])} {noun}"
        self.said["groups"][index] = said
        return article(noun)

    def write(self):
        s, rng = self.scene, self.rng
        self.said["groups"] = [None] * len(s["shapes"])
        text = self.shape(0)
        if len(s["shapes"]) > 1:
            self.said["relation"] = (s["relation"], 0, 1)
            text = rng.choice(w.RELATION[s["relation"]]).format(a=text, b=self.shape(1))
        self.note("background")
        ground = self.colour(s["background"])
        text = rng.choice(w.GROUND).format(text=text, a=article(ground), c=ground)
        if rng.random() < 0.2:
            text = re.sub(r"\ban? ", "", text)
        return self.finish(self.style(text))


def mentions(scene, rng):
    """One caption, and what its words say: dict with `groups` (token index of the noun, name, count; colour, size and
    slot or None where unsaid), and of relation, place, time, weather, light, mountains, stars, rainbow, style and
    background those that are said."""
    writer = ShapesWriter if scene["kind"] == "shapes" else LandscapeWriter
    for attempt in range(60):
        text, said = writer(scene, rng, attempt // 6).write()
        if max(len(SPLIT.findall(text)), len(CLIP_SPLIT.findall(text))) <= MAX_TOKENS:
            return text, dict(said, kind=scene["kind"])
    raise ValueError(f"no caption of at most {MAX_TOKENS} tokens: {text}")


def caption(scene, rng):
    """One caption of a scene, at most MAX_TOKENS words and commas long."""
    return mentions(scene, rng)[0]


def vocabulary():
    """Every word the captions can contain, in alphabetical order."""
    def strings(value):
        if isinstance(value, str):
            yield value
        elif isinstance(value, (list, tuple)):
            for v in value:
                yield from strings(v)
        elif isinstance(value, dict):
            yield from strings(list(value.values()))
    tables = [v for k, v in vars(w).items() if k.isupper()]
    text = " ".join(strings(tables)).replace("{", " {").replace("}", "} ")
    return sorted(set(re.findall(r"[a-z0-9]+(?:-[a-z]+)*", re.sub(r"\{\w+\}", " ", text))))


def unseen_mentions(count):
    """(seed, caption, what it says) of scenes that training never draws, no two captions alike."""
    out, texts, seed = [], set(), UNSEEN + 500_000
    while len(out) < count:
        text, said = mentions(scene_of(seed), random.Random(seed))
        if text not in texts:
            texts.add(text)
            out.append((seed, text, said))
        seed += 1
    return out


def unseen(count):
    """Captions of scenes that training never draws, no two alike."""
    return [text for _, text, _ in unseen_mentions(count)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("file")
    a = parser.parse_args()
    with open(a.file, "w") as f:
        json.dump(unseen(a.count), f, indent=1)
