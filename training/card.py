"""Measures everything the model card says and writes the card: python3 -m training.card, or --part NAME for one part."""
import argparse
import json
import os

import torch

from . import adherence, autoencoder, costs, dynamics, sheets
from .captions import unseen, vocabulary
from .loading import FOLDER, Painter
from .model import clip_config, t5_config
from .schedule import WORK, load

TEMPLATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "card.md")
CACHE = os.path.join(WORK, "card.json")
MISSING = "not measured yet"


def measured():
    """Everything measured so far, by part."""
    if not os.path.exists(CACHE):
        return {}
    with open(CACHE) as f:
        return json.load(f)


def of_autoencoder(painter, a):
    psnr, ssim, _, _ = autoencoder.measure(painter.vae, 256, bf16=False)
    return {"psnr": round(psnr, 2), "ssim": round(ssim, 4)}


def of_adherence(painter, a):
    return adherence.measure(a.folder, a.count)


def of_samples(painter, a):
    sheets.samples(painter, os.path.join(a.folder, "samples.png"))
    return {"captions": 64}


def of_sheets(painter, a):
    return {"settings": sheets.settings(painter, os.path.join(a.folder, "sheets.png"))}


def of_dynamics(painter, a):
    results = [dynamics.measure(painter, unseen(8), steps) for steps in (30, 50)]
    dynamics.plot(results, os.path.join(a.folder, "dynamics.png"))
    return {"results": results}


def of_costs(painter, a):
    return {"parameters": costs.parameters(painter), "flops": costs.flops(), "seconds": costs.seconds_per_step(painter)}


def of_training(painter, a):
    """What the checkpoints say of how long and on what they were trained."""
    out = {}
    for name in ("autoencoder", "decoder", "text", "transformer"):
        state = load(name + ".pt")
        if state:
            log = state.get("log") or [{}]
            pictures = log[-1].get("pictures") or state.get("captions")
            out[name] = {"minutes": round(state["seconds"] / 60, 1), "pictures": pictures, "validation": log[-1].get("validation")}
    return out


PARTS = {"autoencoder": of_autoencoder, "adherence": of_adherence, "samples": of_samples, "sheets": of_sheets,
         "dynamics": of_dynamics, "costs": of_costs, "training": of_training}


def percent(value):
    return MISSING if value is None else f"{100 * value:.1f} %"


def table(header, rows):
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(c) for c in line) + " |" for line in lines)


def adherence_tables(m):
    """Agreement by attribute and by number of objects."""
    if not m:
        return {"adherence_all": MISSING, "adherence_attributes": MISSING, "adherence_numbers": MISSING}
    accuracy = m["classifier"]["accuracy"]
    own = {"object": "object name", "shape": "shape name", "sun or moon": "light", adherence.SEVERAL: "object count",
           adherence.ONE: "object count", "shape relation": "relation"}
    agreements = lambda v: [percent(v[key]) for key in ("agree", "agree_on_renders", "agree_on_decoded")]
    attributes = [(k, v["asked"], *agreements(v), percent(accuracy.get(own.get(k, k))))
                  for k, v in m["attributes"].items()]
    numbers = [(k, v["captions"], v["asked"], *agreements(v), percent(v["all_right"]))
               for k, v in m["numbers"].items()]
    return {
        "adherence_all": f"{percent(m['overall'])} of the attributes asked for in {m['captions']} unseen captions "
                         f"({m['steps']} steps, guidance {m['guidance']:g}); on drawn pictures of such captions the classifier finds "
                         f"{percent(m['overall_on_renders'])}, and {percent(m['overall_on_decoded'])} after the autoencoder",
        "adherence_attributes": table(["attribute", "asked", "agreement", "drawn pictures", "decoded ones", "classifier's accuracy"], attributes),
        "adherence_numbers": table(["picture", "captions", "asked", "agreement", "drawn pictures", "decoded ones", "all right"], numbers),
    }


def dynamics_text(m):
    return MISSING if not m else "; ".join(
        f"{r['steps']} steps: r = {r['correlation']:.2f} over all steps, {r['correlation_over_captions']:.2f} among captions at the "
        "same step" for r in m["results"])


def training_table(m):
    names = {"autoencoder": "autoencoder", "decoder": "decoder alone, after the transformer", "text": "text lessons (words alone)",
             "transformer": "transformer and text encoders"}
    return MISSING if not m else table(["part", "minutes", "pictures or captions seen", "validation error"],
                                       [(names[k], v["minutes"], f"{v['pictures'] or 0:,}", v["validation"] or "") for k, v in m.items()])


def figures(m):
    """The text for every {{name}} of the template."""
    cost, vae = m.get("costs"), m.get("autoencoder")
    program = m.get("program", {}).get("seconds")
    out = {
        "autoencoder": f"{vae['psnr']:.2f} dB PSNR, {vae['ssim']:.4f} SSIM" if vae else MISSING,
        "gflop": f"{cost['flops']['total'] / 1e9:.2f}" if cost else MISSING,
        "gflop_double": f"{cost['flops']['double_block'] / 1e9:.3f}" if cost else MISSING,
        "gflop_single": f"{cost['flops']['single_block'] / 1e9:.3f}" if cost else MISSING,
        "seconds_torch": f"{cost['seconds']:.3f} s" if cost else MISSING,
        "seconds_program": f"{program:.3f} s" if program else MISSING,
        "dynamics": dynamics_text(m.get("dynamics")), "training": training_table(m.get("training")),
        "words": str(len(vocabulary())), "clip_words": str(clip_config()["vocab_size"]), "t5_words": str(t5_config()["vocab_size"]),
        "clip_layers": str(clip_config()["num_hidden_layers"]), "t5_layers": str(t5_config()["num_layers"]),
        **adherence_tables(m.get("adherence")),
    }
    for part in ("transformer", "text_encoder", "text_encoder_2", "vae"):
        n = cost["parameters"][part] if cost else None
        out["parameters_" + part] = f"{n:.2f} M" if cost else MISSING
        out["size_" + part] = f"{2 * n:.1f} MB" if cost else MISSING
    return out


def write(folder, m):
    """README.md of the model folder, from the template and what has been measured."""
    with open(TEMPLATE) as f:
        text = f.read()
    for name, value in figures(m).items():
        if "{{" + name + "}}" not in text:
            raise ValueError(f"{TEMPLATE}: no {{{{{name}}}}}")
        text = text.replace("{{" + name + "}}", value)
    if "{{" in text:
        raise ValueError(f"{TEMPLATE}: unknown figure {text[text.index('{{'):][:40]}")
    with open(os.path.join(folder, "README.md"), "w") as f:
        f.write(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default=FOLDER)
    parser.add_argument("--part", choices=[*PARTS, "card"], action="append", help="only these; 'card' measures nothing")
    parser.add_argument("--count", type=int, default=500, help="captions for adherence")
    parser.add_argument("--program-seconds", type=float, help="the program's own seconds for a step, for the card")
    parser.add_argument("--threads", type=int, default=2)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    painter, results = Painter(a.folder), measured()
    for name in a.part or PARTS:
        if name in PARTS:
            print(name, flush=True)
            results[name] = PARTS[name](painter, a)
            with open(CACHE, "w") as f:
                json.dump(results, f, indent=1)
    if a.program_seconds:
        results["program"] = {"seconds": a.program_seconds}
        with open(CACHE, "w") as f:
            json.dump(results, f, indent=1)
    write(a.folder, results)
