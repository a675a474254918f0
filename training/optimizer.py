"""Optimiser with weight averaging: Muon for the matrices inside blocks (convolutions flattened), AdamW for the rest."""
import math

import torch

from . import fused


def orthogonalise(x, steps=4):
    """Newton-Schulz iteration towards the nearest orthogonal matrix: bf16 [K, r, c] with r <= c, in place where fused."""
    x = x / (x.float().flatten(1).norm(dim=1).view(-1, 1, 1) * 1.02 + 1e-7).to(x.dtype)
    x = x.contiguous()
    for _ in range(steps):
        a = torch.bmm(x, x.transpose(1, 2))
        b = mix(torch.bmm(a, a), a, 2.0315, -4.7750)
        x = mix(x, torch.bmm(b, x), 3.4445, 1.0)
    return x


def mix(x, y, a, b):
    """a * x + b * y in the memory of x."""
    if fused.library():
        fused.call("axpby", x, y, x.numel(), float(a), float(b))
        return x
    return x.mul_(a).add_(y, alpha=b)


def same_layout(g, p):
    """The gradient with the memory layout of its parameter."""
    return g if g.stride() == p.stride() else torch.empty_like(p).copy_(g)


def block_matrix(name, p):
    """Whether Muon applies: attention and MLP weights of transformer blocks, convolutions of resnets and resamplers."""
    if p.dim() == 4:
        return min(p.shape[:2]) >= 16
    return p.dim() == 2 and ".norm" not in name and ("transformer_blocks." in name or "attentions." in name)


class Optimizer:
    """Steps a module's parameters from their .grad; keeps `average`, the moving average of the weights."""

    def __init__(self, module, decay=0.999, matrix=block_matrix, pace=lambda name: 1.0):
        """`matrix(name, parameter)` says where Muon applies; `pace(name)` is a factor on AdamW's learning rate."""
        self.names, self.parameters = zip(*module.named_parameters())
        self.decay, self.steps = decay, 0
        self.average = [p.detach().clone() for p in self.parameters]
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.groups, self.rest = {}, []
        self.pace = [pace(name) for name in self.names]
        for i, (name, p) in enumerate(zip(self.names, self.parameters)):
            if matrix(name, p):
                self.groups.setdefault((p.shape[0], p[0].numel()), []).append(i)
            else:
                self.rest.append(i)
        self.second = {i: torch.zeros_like(self.parameters[i]) for i in self.rest}

    def norm(self):
        """Euclidean norm of all gradients."""
        return torch.stack([p.grad.norm() for p in self.parameters]).norm().item()

    @torch.no_grad()
    def step(self, lr_muon, lr_adam, clip=1.0):
        norm = self.norm()
        if not math.isfinite(norm):  # leave this batch out
            return norm
        self.steps += 1
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        scale = min(1.0, clip / (norm + 1e-6))
        for i in self.rest:
            p = self.parameters[i]
            fused.adamw(p, same_layout(p.grad, p), self.first[i], self.second[i], self.average[i], lr_adam * self.pace[i], self.steps, scale, keep)
        for shape, members in self.groups.items():
            update = torch.empty(len(members), *shape, dtype=torch.bfloat16)
            for k, i in enumerate(members):
                g = same_layout(self.parameters[i].grad, self.parameters[i])
                if fused.library():
                    fused.call("muon_moment", g, self.first[i], update[k], g.numel(), float(scale), 0.95)
                else:
                    self.first[i].mul_(0.95).add_(g, alpha=scale)
                    update[k] = (g * scale + 0.95 * self.first[i]).reshape(shape)
            tall = shape[0] > shape[1]
            update = orthogonalise(update.transpose(1, 2) if tall else update)
            update = (update.transpose(1, 2) if tall else update).contiguous()
            rate, shrink = lr_muon * 0.2 * max(shape) ** 0.5, 1 - lr_muon * 0.05
            for k, i in enumerate(members):
                p = self.parameters[i]
                if fused.library():
                    fused.call("muon_apply", p.detach(), update[k], self.average[i], p.numel(), float(rate), float(shrink), float(keep))
                else:
                    p.mul_(shrink).add_(update[k].float().view(p.shape), alpha=-rate)
                    self.average[i].mul_(keep).add_(p, alpha=1 - keep)
        return norm

    def state(self):
        return {"steps": self.steps, "average": self.average, "first": self.first, "second": self.second}

    def restore(self, state):
        self.steps, self.average, self.first, self.second = (state[k] for k in ("steps", "average", "first", "second"))

    def averaged(self, module):
        """State dict of the module with averaged parameters."""
        out = {k: v.clone() for k, v in module.state_dict().items()}
        out.update({n: a.clone() for n, a in zip(self.names, self.average)})
        return out
