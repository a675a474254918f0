"""Attribute classifier: what a small network sees in a 128x128 picture, in the terms of a scene description."""
import torch
import torch.nn as nn
import torch.nn.functional as F

from .fused import group_norm
from .scenes import COLOURS, OBJECTS, PLACES, PLAIN, SHAPES, SIZES, SLOTS, STYLES, TIMES, WEATHERS
from .schedule import load

FILE = "attributes.pt"
THINGS = sorted({name for names in OBJECTS.values() for name in names})
COUNTS = [1, 2, 3]
# Heads and their values. Of the whole picture; of each slot of a landscape; of each shape, by position.
WHOLE = {"kind": ["landscape", "shapes"], "style": [*STYLES], "place": PLACES, "time": TIMES, "weather": [*WEATHERS],
         "mountains": [None, "plain", "snowy"], "stars": [False, True], "rainbow": [False, True], "background": PLAIN,
         "relation": [None, "vertical", "horizontal", "inside"], "light": [None, *SLOTS]}
SLOT = {"name": [None, *THINGS], "colour": [*COLOURS], "size": [*SIZES], "count": COUNTS}
SHAPE = {"name": [None, *SHAPES], "colour": PLAIN, "size": [*SIZES]}
UNDEFINED = -100  # label of what the picture does not have
HEADS = [*WHOLE, *(f"{slot} {k}" for slot in SLOTS for k in SLOT), *(f"{nth} {k}" for nth in ("first", "second") for k in SHAPE)]


def values_of(head):
    """The values of one of HEADS."""
    if head in WHOLE:
        return WHOLE[head]
    part, key = head.split()
    return (SLOT if part in SLOTS else SHAPE)[key]


def targets(scene):
    """The label of every head, in the order of HEADS; UNDEFINED where the scene has no such thing."""
    found = {}
    if scene["kind"] == "landscape":
        found = {k: scene[k] for k in WHOLE if k in scene}
        groups = {g["slot"]: g for g in scene["objects"]}
        crowd = len(scene["objects"]) == 1 and scene["objects"][0]["count"] > 1  # it reaches into every slot
        for slot in SLOTS:
            if slot in groups:
                found.update({f"{slot} {k}": groups[slot][k] for k in SLOT})
            elif not crowd:
                found[f"{slot} name"] = None
        missing = {f"{s} colour" for s in SLOTS}
    else:
        found = {k: scene[k] for k in ("kind", "style", "background", "relation")}
        for nth, shape in zip(("first", "second"), scene["shapes"]):
            found.update({f"{nth} name": shape["shape"], f"{nth} colour": shape["colour"], f"{nth} size": shape["size"]})
        if len(scene["shapes"]) == 1:
            found["second name"] = None
        missing = set()
    return [values_of(h).index(found[h]) if h in found and not (h in missing and found[h] is None) else UNDEFINED for h in HEADS]


class Block(nn.Module):
    """Residual block of two 3x3 convolutions on [B, C, H, W]."""

    def __init__(self, c):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(c // 8, c), nn.GroupNorm(c // 8, c)
        self.conv1, self.conv2 = nn.Conv2d(c, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=1)

    def forward(self, x):
        return x + self.conv2(group_norm(self.conv1(group_norm(x, self.norm1, True)), self.norm2, True))


class Classifier(nn.Module):
    """Picture [B, 3, 128, 128] in -1..1 -> logits of every head, {head: [B, values]}."""

    def __init__(self, width=32, hidden=256):
        super().__init__()
        w = width
        self.trunk = nn.Sequential(
            nn.Conv2d(3, w // 2, 3, stride=2, padding=1), nn.SiLU(), nn.Conv2d(w // 2, w, 3, stride=2, padding=1), Block(w), nn.Conv2d(w, 2 * w, 3, stride=2, padding=1), Block(2 * w), Block(2 * w),
            nn.Conv2d(2 * w, 4 * w, 3, stride=2, padding=1), Block(4 * w), Block(4 * w))
        self.norm = nn.GroupNorm(w // 2, 4 * w)
        self.squeeze = nn.Conv2d(4 * w, w, 1)
        self.whole = nn.Linear(8 * 8 * w + 4 * w, hidden)
        self.strip = nn.Linear(4 * w * 8 * 4, hidden)  # shared by the slots, so that each learns from all
        self.slot = nn.Embedding(3, hidden)
        self.context = nn.Linear(hidden, hidden)
        self.of_whole = nn.ModuleDict({k: nn.Linear(hidden, len(v)) for k, v in WHOLE.items() if k != "light"})
        self.of_slot = nn.ModuleDict({k: nn.Linear(hidden, len(v)) for k, v in SLOT.items()})
        self.light = nn.Linear(hidden, 1)
        self.of_shape = nn.ModuleDict({f"{n} {k}": nn.Linear(hidden, len(v)) for n in ("first", "second") for k, v in SHAPE.items()})

    def forward(self, x):
        f = group_norm(self.trunk(x), self.norm, True)
        whole = F.silu(self.whole(torch.cat((self.squeeze(f).flatten(1), f.mean((2, 3))), 1)))
        out = {k: head(whole).float() for k, head in {**self.of_whole, **self.of_shape}.items()}
        light = [torch.zeros(len(x), 1)]
        for i, slot in enumerate(SLOTS):
            strip = f[:, :, :, 2 * i:2 * i + 4].permute(0, 2, 3, 1).flatten(1)
            h = F.silu(self.strip(strip) + self.context(whole) + self.slot.weight[i])
            out.update({f"{slot} {k}": head(h).float() for k, head in self.of_slot.items()})
            light.append(self.light(h).float())
        out["light"] = torch.cat(light, 1)
        return out


def block_matrix(name, p):
    """Whether Muon applies: convolutions inside the trunk, and the hidden layers."""
    return p.dim() == 4 and min(p.shape[:2]) >= 16 or name in ("whole.weight", "strip.weight", "context.weight")


@torch.no_grad()
def logits(model, x):
    """Logits of pictures [B, 3, 128, 128] in -1..1: {head: [B, values]}."""
    with torch.autocast("cpu", torch.bfloat16):
        parts = [model(p.contiguous(memory_format=torch.channels_last)) for p in x.split(64)]
    return {h: torch.cat([p[h] for p in parts]) for h in HEADS}


def seen(out, row):
    """The likeliest scene description of one picture, from `logits`."""
    pick = {h: values_of(h)[out[h][row].argmax().item()] for h in HEADS}
    scene = {k: pick[k] for k in WHOLE}
    scene["slots"] = {s: {k: pick[f"{s} {k}"] for k in SLOT} for s in SLOTS}
    scene["shapes"] = [{k: pick[f"{n} {k}"] for k in SHAPE} for n in ("first", "second")]
    return scene


def classifier():
    """The trained classifier with averaged weights, and its checkpoint."""
    state = load(FILE)
    if not state:
        raise FileNotFoundError(f"no training/.work/{FILE}: run python3 -m training.train_attributes first")
    model = Classifier().to(memory_format=torch.channels_last)
    model.load_state_dict(state["average"])
    return model.eval(), state
