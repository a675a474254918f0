"""Teaches both text encoders what captions say, on words alone, before they meet a picture; the heads are thrown away."""
import argparse
import random
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

from .captions import SPLIT, mentions
from .model import CLIP_WIDTH, TEXT_WIDTH, clip_config, initialise, t5_config
from .optimizer import Optimizer
from .scenes import COLOURS, OBJECTS, PLACES, SHAPES, SIZES, SLOTS, STYLES, TIMES, WEATHERS
from .schedule import UNSEEN, load, rate, save, scene_of
from .text import CLIPTextModel, T5EncoderModel
from .tokenizers import LENGTH, Encoder

FIRST_SEED, SALT = 700_000_000, 0x1E550
THINGS = sorted({name for names in OBJECTS.values() for name in names}) + SHAPES
# How a thing stands to the other one of its relation: (for the first thing of `said["relation"]`, for the others).
STANDING = {"left of": ("left", "right"), "next to": ("near", "near"), "between": ("end", "between", "end"),
            "vertical": ("above", "below"), "horizontal": ("left", "right"), "inside": ("inside", "around")}
# What a noun's state has to tell about its thing; None stands for "the caption does not say".
OF_NOUN = {"name": THINGS, "colour": [*COLOURS, None], "size": [*SIZES, None], "slot": [*SLOTS, None], "count": [1, 2, 3],
           "standing": ["left", "right", "near", "end", "between", "above", "below", "inside", "around", None]}
# What the pooled states have to tell about the whole picture.
OF_PICTURE = {"kind": ["landscape", "shapes"], "place": [*PLACES, None], "time": [*TIMES, None], "weather": [*WEATHERS, None],
              "light": [*SLOTS, "somewhere", None], "mountains": ["plain", "snowy", None], "stars": [True, None],
              "rainbow": [True, None], "style": [*STYLES, None], "background": [*COLOURS, None]}
PRESENT = len(THINGS) * (1 + len(COLOURS))  # which things, and which things of which colour


def block_matrix(name, p):
    """Whether Muon applies: the matrices inside the encoders' layers, but not T5's queries."""
    return p.dim() == 2 and (".block." in name or ".layers." in name) and "bias" not in name and not query(name)


def query(name):
    """T5 divides nothing by the root of the head's size, so its queries have to stay eight times smaller than other matrices."""
    return ".SelfAttention.q." in name


def presence(groups):
    """0 or 1 for every thing, and for every thing in every colour."""
    out = torch.zeros(PRESENT)
    for g in groups:
        thing = THINGS.index(g["name"])
        out[thing] = 1
        if g["colour"]:
            out[len(THINGS) * (1 + [*COLOURS].index(g["colour"])) + thing] = 1
    return out


def nouns(row, said):
    """[row, token, one label per head of OF_NOUN] of every thing the caption names."""
    standing = {}
    if "relation" in said:
        kind, *members = said["relation"]
        standing = dict(zip(members, STANDING[kind]))
    out = []
    for i, g in enumerate(said["groups"]):
        value = dict(g, standing=standing.get(i))
        out.append([row, g["token"]] + [values.index(value[key]) for key, values in OF_NOUN.items()])
    return out


def read(seed):
    """A seed's caption and what it says."""
    return mentions(scene_of(seed), random.Random(seed ^ SALT))


def lesson(captions, tokenizer):
    """Captions as ids [B, 32] for both encoders, labels of the nouns [N, 8], of the pictures [B, 10], presence [B, P]."""
    clip, t5, of_noun, of_picture, present = [], [], [], [], []
    for row, (text, said) in enumerate(captions):
        clip.append(tokenizer.clip(text))
        t5.append(tokenizer.t5(text))
        of_noun += nouns(row, said)
        of_picture.append([values.index(said.get(key)) for key, values in OF_PICTURE.items()])
        present.append(presence(said["groups"]))
    return torch.tensor(clip), torch.tensor(t5), torch.tensor(of_noun), torch.tensor(of_picture), torch.stack(present)


@torch.no_grad()
def look_nearby(table):
    """Position biases that make three heads look at the words before, after and around: table [32 distances, heads]."""
    for bucket in range(32):
        distance, behind = bucket % 16, bucket < 16
        table[bucket, 0] = -0.7 * distance if behind else -4.0
        table[bucket, 1] = -4.0 if behind and distance else -0.7 * distance
        table[bucket, 2] = -0.35 * distance


class Class(nn.Module):
    """Both encoders with linear heads that say what the caption says."""

    def __init__(self):
        super().__init__()
        self.text_encoder, self.text_encoder_2 = CLIPTextModel(clip_config()), T5EncoderModel(t5_config())
        initialise(self)
        look_nearby(self.text_encoder_2.encoder.block[0].layer[0].SelfAttention.relative_attention_bias.weight)
        self.noun = nn.ModuleDict({k: nn.Linear(TEXT_WIDTH, len(v)) for k, v in OF_NOUN.items()})
        self.picture = nn.ModuleDict()
        for name, width in (("clip", CLIP_WIDTH), ("t5", TEXT_WIDTH)):
            heads = {k: nn.Linear(width, len(v)) for k, v in OF_PICTURE.items()}
            self.picture[name] = nn.ModuleDict(dict(heads, present=nn.Linear(width, PRESENT)))

    def forward(self, clip_ids, t5_ids, places):
        """-> logits of the nouns by head, and of the picture by encoder and head; places: rows and tokens of the nouns."""
        states, pooled = self.text_encoder_2(t5_ids).float(), self.text_encoder(clip_ids)[1].float()
        at_noun = states[places[:, 0], places[:, 1]]
        whole = {"clip": pooled, "t5": states.mean(1)}
        return ({k: head(at_noun).float() for k, head in self.noun.items()},
                {e: {k: head(whole[e]).float() for k, head in heads.items()} for e, heads in self.picture.items()})


def captions_from(first, count, longest):
    """The next `count` captions that have no more than `longest` tokens, and the seed after them."""
    out = []
    while len(out) < count:
        text, said = read(first)
        if len(SPLIT.findall(text)) <= longest:
            out.append((text, said))
        first += 1
    return out, first


def batches(captions, size, tokenizer, trimmed):
    """Batches of captions of like length; `trimmed` leaves out the padding that all captions of a batch have."""
    clip_ids, t5_ids, of_noun, of_picture, present = lesson(captions, tokenizer)
    order = (t5_ids != 0).sum(1).argsort()
    for k in torch.randperm(len(captions) // size).tolist():
        rows = order[k * size:(k + 1) * size]
        new_row = torch.full((len(captions),), -1)
        new_row[rows] = torch.arange(size)
        here = of_noun[new_row[of_noun[:, 0]] >= 0].clone()
        here[:, 0] = new_row[here[:, 0]]
        t5_length = (t5_ids[rows] != 0).sum(1).max().item() if trimmed else LENGTH
        clip_length = (clip_ids[rows] != clip_ids[0, -1]).sum(1).max().item() + 1  # what follows the first end token is never seen
        yield clip_ids[rows, :clip_length], t5_ids[rows, :t5_length], here, of_picture[rows], present[rows]


def run(model, data):
    """Pairs of logits and labels by head: {head: (logits [N, C], labels [N])}; and by encoder (logits, presence [B, P])."""
    clip_ids, t5_ids, of_noun, of_picture, present = data
    with torch.autocast("cpu", torch.bfloat16):
        noun, picture = model(clip_ids, t5_ids, of_noun)
    pairs = {f"noun {k}": (noun[k], of_noun[:, 2 + i]) for i, k in enumerate(OF_NOUN)}
    for e, heads in picture.items():
        pairs.update({f"{e} {k}": (heads[k], of_picture[:, i]) for i, k in enumerate(OF_PICTURE)})
    return pairs, {e: (heads["present"], present) for e, heads in picture.items()}


def loss_of(model, data):
    """Cross entropies of all heads; the nouns' count double."""
    pairs, present = run(model, data)
    loss = sum((2.0 if k.startswith("noun") else 0.5) * F.cross_entropy(*pair) for k, pair in pairs.items())
    return loss + sum(0.5 * F.binary_cross_entropy_with_logits(*pair, reduction="none").sum(1).mean() for pair in present.values())


@torch.no_grad()
def measure(model, tokenizer, count=1024):
    """Share of right answers on unseen captions by head, among those the captions give; None where nothing was said."""
    right, total = {}, {}
    for i in range(0, count, 256):
        pairs, present = run(model, lesson([read(UNSEEN + 600_000 + i + k) for k in range(256)], tokenizer))
        for key, (logits, labels) in pairs.items():
            values = {**OF_NOUN, **OF_PICTURE}[key.split()[1]]
            said = labels != (len(values) - 1 if values[-1] is None else -1)
            right[key] = right.get(key, 0) + ((logits.argmax(1) == labels) & said).sum().item()
            total[key] = total.get(key, 0) + said.sum().item()
        for e, (logits, labels) in present.items():
            key = f"{e} all things and colours"
            right[key] = right.get(key, 0) + ((logits > 0) == (labels > 0)).all(1).sum().item()
            total[key] = total.get(key, 0) + len(labels)
    return {k: round(right[k] / total[k], 4) if total[k] else None for k in right}


def train(minutes, batch=128, lr=3e-3, lr_muon=4e-3, name="text"):
    """Trains until `minutes` of processor time (over all runs and threads) are used up, then writes both encoders'
    averaged weights to <name>.pt; <name>_lessons.pt keeps the state of the training."""
    torch.manual_seed(2)
    model, tokenizer = Class(), Encoder()
    optimizer = Optimizer(model, 0.99, block_matrix, lambda name: 0.1 if query(name) else 1.0)
    seconds, step, seed, running, state = 0.0, 0, FIRST_SEED, None, load(name + "_lessons.pt")
    if state:
        model.load_state_dict(state["model"])
        optimizer.restore(state["optimizer"])
        seconds, step, seed = state["seconds"], state["step"], state["seed"]
    base, started, saved = seconds, time.process_time(), time.time()

    def snapshot():
        save({"model": model.state_dict(), "optimizer": optimizer.state(), "seconds": seconds, "step": step, "seed": seed},
             name + "_lessons.pt")

    if seconds >= minutes * 60:
        return
    while seconds < minutes * 60:
        done = seconds / (minutes * 60)
        # Short captions first: they cost a third and teach which words belong to which noun.
        captions, seed = captions_from(seed, 4 * batch, 12 if done < 0.4 else LENGTH)
        for data in batches(captions, batch, tokenizer, done < 0.8):
            loss = loss_of(model, data)
            for p in model.parameters():
                p.grad = None
            loss.backward()
            factor = rate(seconds / (minutes * 60), warmup=0.03, floor=0.01)
            optimizer.step(lr_muon * factor, lr * factor, clip=5.0)
            step, seconds = step + 1, base + time.process_time() - started
            running = loss.item() if running is None else 0.95 * running + 0.05 * loss.item()
            if step % 50 == 0:
                print(f"{seconds / 60:5.1f} min  step {step}  loss {running:.4f}", flush=True)
        if time.time() - saved > 120:
            snapshot()
            saved = time.time()
    snapshot()
    model.load_state_dict(optimizer.averaged(model))
    accuracy = measure(model, tokenizer)
    save({"text_encoder": model.text_encoder.state_dict(), "text_encoder_2": model.text_encoder_2.state_dict(),
          "seconds": seconds, "captions": step * batch, "accuracy": accuracy}, name + ".pt")
    for key, value in accuracy.items():
        print(f"  {key}: {value}")
    scale = {k: round(v.abs().mean().item(), 2) for k, v in model.state_dict().items() if k.endswith("final_layer_norm.weight")}
    print(f"{step * batch} captions; mean size of the last norms' weights {scale}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=8, help="of processor time")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--lr-muon", type=float, default=4e-3)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--name", default="text", help="name of the files under .work")
    parser.add_argument("--threads", type=int, default=2)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    train(a.minutes, a.batch, a.lr, a.lr_muon, a.name)
