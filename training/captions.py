"""Turns scene descriptions into captions with varied wording; also writes lists of unseen captions."""
import argparse
import json
import random
import re

from .schedule import UNSEEN, scene_of

MAX_WORDS = 30  # words and commas; the encoders take 32 tokens with their special ones
PLACE = {
    "sea": ["the sea", "the ocean", "a calm sea"], "meadow": ["a meadow", "a green meadow", "a grassy field"],
    "desert": ["a desert", "the desert", "a sandy desert"], "snow": ["a snowy field", "a snowy landscape", "snow"],
    "forest": ["a forest", "the forest", "a pine forest"], "town": ["a town", "a city", "the city"],
}
ON = {"sea": "on", "meadow": "in", "desert": "in", "snow": "in", "forest": "in", "town": "in"}
TIME = {"day": ["by day", "during the day", "on a sunny day"], "sunset": ["at sunset", "in the evening", "at dusk"],
        "night": ["at night", "by night", "on a dark night"]}
OPENING = {"day": ["a bright day", "a sunny day", "day"], "sunset": ["a sunset", "sunset", "evening"],
           "night": ["night", "a dark night", "a clear night"]}
SLOT = {"left": ["on the left"], "middle": ["in the middle", "in the center"], "right": ["on the right"]}
NOUN = {"pine": ["a pine tree", "a pine"], "cactus": ["a cactus"], "pyramid": ["a pyramid"], "snowman": ["a snowman"],
        "lighthouse": ["a lighthouse"]}


def article(phrase):
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def name_object(o, rng, slot=None):
    """Words for one object, with its place unless left out."""
    colour = o["colour"]
    if o["name"] == "boat":
        text = rng.choice([f"a boat with {article(colour)} sail", article(f"{colour} sailboat"), article(f"{colour} boat")])
    elif o["name"] == "balloon":
        text = article(rng.choice([f"{colour} balloon", f"{colour} hot air balloon"]))
    elif o["name"] == "tree":
        text = article(f"{colour} tree")
    elif colour:
        text = article(f"{colour} {o['name']}")
    else:
        text = rng.choice(NOUN[o["name"]])
    if slot is None:
        slot = rng.random() < 0.88
    return f"{text} {rng.choice(SLOT[o['slot']])}" if slot else text


def listed(parts, rng):
    """a, b and c."""
    if len(parts) < 2:
        return parts[0] if parts else ""
    return ", ".join(parts[:-1]) + rng.choice([" and ", " and ", ", "]) + parts[-1]


def landscape_caption(s, rng):
    place, time = rng.choice(PLACE[s["place"]]), s["time"]
    things = [name_object(o, rng) for o in s["objects"]]
    rng.shuffle(things)
    extras = []
    if s["mountains"] and rng.random() < 0.92:
        extras.append("snowy mountains" if s["mountains"] == "snowy" else "mountains")
    if s["clouds"] and rng.random() < 0.92:
        extras.append("clouds")
    if s["stars"] and rng.random() < 0.85:
        extras.append("stars")
    light = None
    if s["light"] and rng.random() < 0.8:
        light = ("the moon" if time == "night" else "the sun") + " " + rng.choice(SLOT[s["light"]])
    form = rng.random()
    if things and form < 0.5:  # "a red house on the left in a meadow at sunset with mountains and clouds, the sun ..."
        text = f"{listed(things, rng)} {ON[s['place']]} {place} {rng.choice(TIME[time])}"
        if extras:
            text += " with " + listed(extras, rng)
        return text + (f", {light}" if light else "")
    rest = extras + ([light] if light else [])
    rest = rest + things if rng.random() < 0.5 else things + rest
    if form < 0.8:  # "a meadow at sunset with ..."
        return f"{place} {rng.choice(TIME[time])}" + (" with " + listed(rest, rng) if rest else "")
    head = f"{rng.choice(OPENING[time])} {'over' if s['place'] == 'sea' else 'in'} {place}"
    return head + ((", " if rng.random() < 0.5 else " with ") + listed(rest, rng) if rest else "")


def shapes_caption(s, rng):
    ground = rng.choice(["on {} background", "on {}", "on {} background"])
    ground = ground.format(article(s["background"]) if "background" in ground else s["background"])
    size = s["size"] + " " if s["size"] else ""
    a = article(size + f"{s['shapes'][0]['colour']} {s['shapes'][0]['shape']}")
    if len(s["shapes"]) == 1:
        return f"{a} {ground}"
    b = article(f"{s['shapes'][1]['colour']} {s['shapes'][1]['shape']}")
    if s["relation"] == "vertical":
        text = rng.choice([f"{a} above {b}", f"{a} over {b}", f"{b} below {a}", f"{b} under {a}"])
    else:
        text = rng.choice([f"{a} left of {b}", f"{b} right of {a}", f"{a} on the left and {b} on the right",
                           f"{b} on the right and {a} on the left"])
    return f"{text} {ground}"


def caption(scene, rng):
    """One caption of a scene, at most MAX_WORDS words and commas long."""
    for _ in range(40):
        text = shapes_caption(scene, rng) if scene["kind"] == "shapes" else landscape_caption(scene, rng)
        if len(re.findall(r"\w+|,", text)) <= MAX_WORDS:
            break
    return text


def vocabulary():
    """Every word the captions can contain, found by writing many of them, in alphabetical order."""
    words = set()
    for seed in range(6000):
        words.update(re.findall(r"[a-z]+", caption(scene_of(seed), random.Random(seed))))
    return sorted(words)


def unseen(count):
    """Captions of scenes that training never draws, no two alike."""
    out, seed = [], UNSEEN + 500_000
    while len(out) < count:
        text = caption(scene_of(seed), random.Random(seed))
        if text not in out:
            out.append(text)
        seed += 1
    return out


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("file")
    a = parser.parse_args()
    with open(a.file, "w") as f:
        json.dump(unseen(a.count), f, indent=1)
