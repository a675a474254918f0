"""Caption adherence: how many of the attributes that unseen captions ask for the classifier finds in the sampled pictures."""
import argparse
import itertools
import json
import os

import numpy as np
import torch

from .attributes import classifier, logits, seen
from .captions import unseen_mentions
from .loading import FOLDER, Painter
from .render import render
from .scenes import SLOTS
from .schedule import WORK, scene_of, to_tensor

WHOLE = ("place", "time", "weather", "mountains", "stars", "rainbow", "style", "background")
SEVERAL, ONE = "count (two, three)", "count (one)"


def relation_holds(relation, slots):
    """Whether groups in those slots stand as the caption says."""
    kind, *members = relation
    at = [SLOTS.index(slots[m]) for m in members]
    if kind == "left of":
        return at[0] < at[1]
    if kind == "next to":
        return abs(at[0] - at[1]) == 1
    return at[1] == 1  # between


def placed(said, found, slots):
    """Checks of all groups of a landscape, were they in those slots: list of (attribute, whether the picture has it)."""
    out = []
    for group, slot in zip(said["groups"], slots):
        thing = found["slots"][slot]
        there = thing["name"] == group["name"]
        out.append(("object", there))
        out += [(f"object {k}", there and thing[k] == group[k]) for k in ("colour", "size") if group[k]]
        out.append((SEVERAL if group["count"] > 1 else ONE, there and thing["count"] == group["count"]))
        if group["slot"]:
            out.append(("object place", there and slot == group["slot"]))
    if "relation" in said:
        named = all(found["slots"][slots[m]]["name"] == said["groups"][m]["name"] for m in said["relation"][1:])
        out.append(("object relation", named and relation_holds(said["relation"], slots)))
    return out


def arranged(said, found, order):
    """Checks of the shapes, the caption's first being the picture's order[0]th: list of (attribute, yes or no)."""
    out = []
    for group, i in zip(said["groups"], order):
        shape = found["shapes"][i]
        out.append(("shape", shape["name"] == group["name"]))
        out += [(f"shape {k}", shape["name"] is not None and shape[k] == group[k]) for k in ("colour", "size") if group[k]]
    if "relation" in said:
        out.append(("shape relation", found["relation"] == said["relation"][0] and order == (0, 1)))
    return out


def best(options):
    """The reading of a picture that agrees most."""
    return max(options, key=lambda checks: sum(ok for _, ok in checks))


def checks(said, found):
    """One (attribute, whether the picture has it) for everything a caption says; `found` is what the classifier sees."""
    out = [(k, found[k] == said[k]) for k in WHOLE if k in said]
    if "light" in said:
        out.append(("sun or moon", found["light"] is not None if said["light"] == "somewhere" else found["light"] == said["light"]))
    number = len(said["groups"])
    if said["kind"] == "shapes":
        orders = [(0, 1), (1, 0)] if number == 2 else [(0,)]
        out += best([arranged(said, found, order) for order in orders])
    elif number == 1 and said["groups"][0]["count"] > 1:  # these take the whole width
        out += placed(said, found, ("middle",))
    elif number:
        out += best([placed(said, found, slots) for slots in itertools.permutations(SLOTS, number)])
    return out if found["kind"] == said["kind"] else [(k, False) for k, _ in out]


def tally(saids, pictures, model):
    """Counts over pictures uint8 [N, 128, 128, 3]: by attribute and by number of objects, [agreeing, asked, all right, captions]."""
    out = logits(model, to_tensor(pictures))
    by_attribute, by_number = {}, {}
    for row, said in enumerate(saids):
        results = checks(said, seen(out, row))
        for key, ok in results:
            count = by_attribute.setdefault(key, [0, 0])
            count[0] += ok
            count[1] += 1
        n, kind = len(said["groups"]), "objects" if said["kind"] == "landscape" else "shapes"
        for key in (f"{n} {kind if n != 1 else kind[:-1]}", "all"):
            count = by_number.setdefault(key, [0, 0, 0, 0])
            right = sum(ok for _, ok in results)
            for i, more in enumerate((right, len(results), right == len(results), 1)):
                count[i] += more
    return by_attribute, by_number


def share(count):
    return round(count[0] / count[1], 4) if count and count[1] else None


def report(drawn, rendered, decoded):
    """JSON of the tallies side by side: agreement on sampled pictures, and on renders before and after the autoencoder, where
    all would be right but for the classifier."""
    (attributes, numbers), (on_renders, n_renders), (on_decoded, n_decoded) = drawn, rendered, decoded
    return {
        "overall": share(numbers["all"]), "overall_on_renders": share(n_renders["all"]), "overall_on_decoded": share(n_decoded["all"]),
        "attributes": {k: {"asked": c[1], "agree": share(c), "agree_on_renders": share(on_renders.get(k)),
                           "agree_on_decoded": share(on_decoded.get(k))} for k, c in sorted(attributes.items())},
        "numbers": {k: {"captions": c[3], "asked": c[1], "agree": share(c), "agree_on_renders": share(n_renders.get(k)),
                        "agree_on_decoded": share(n_decoded.get(k)), "all_right": share([c[2], c[3]])}
                    for k, c in sorted(numbers.items())},
    }


def measure(folder=FOLDER, count=500, steps=30, guidance=3.0):
    """Draws `count` unseen captions and compares; the classifier's own error is measured on four times as many renders."""
    model, state = classifier()
    cases = unseen_mentions(4 * count)
    saids, renders = [said for _, _, said in cases], np.stack([render(scene_of(seed)) for seed, _, _ in cases])
    painter = Painter(folder)
    pictures = painter.gallery([text for _, text, _ in cases[:count]], steps, guidance)
    result = report(tally(saids[:count], pictures, model), tally(saids, renders, model),
                    tally(saids[:count], painter.reconstruct(renders[:count]), model))
    return dict(result, captions=count, steps=steps, guidance=guidance, weights=painter.weights,
                classifier={"minutes": round(state["seconds"] / 60, 1), "accuracy": state["accuracy"]})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default=FOLDER, help="exported model; 'checkpoint' for the newest checkpoints")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", default=os.path.join(WORK, "adherence.json"))
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    result = measure(None if a.folder == "checkpoint" else a.folder, a.count, a.steps, a.guidance)
    with open(a.out, "w") as f:
        json.dump(result, f, indent=1)
    print(json.dumps({k: v for k, v in result.items() if k != "classifier"}, indent=1))
