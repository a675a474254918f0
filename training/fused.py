"""Loads the fused CPU kernels (compiled on first use) and wraps them for autograd; plain torch where they do not apply."""
import ctypes
import os
import subprocess

import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
_library = None


def library():
    """The compiled kernels, or False where no compiler is at hand or HEDDLE_FUSED=0."""
    global _library
    if _library is None:
        _library = False
        sources = [os.path.join(HERE, name) for name in ("fused.cpp", "fused_blocks.cpp")]
        built = os.path.join(HERE, ".work", "fused.so")
        if os.environ.get("HEDDLE_FUSED", "1") != "0":
            try:
                if not os.path.exists(built) or os.path.getmtime(built) < max(map(os.path.getmtime, sources)):
                    os.makedirs(os.path.dirname(built), exist_ok=True)
                    subprocess.run(["g++", "-O3", "-march=native", "-mprefer-vector-width=512", "-ffast-math", "-mrecip=none", "-fopenmp",
                                    "-shared", "-fPIC", *sources, "-o", built + ".tmp"], check=True)
                    os.replace(built + ".tmp", built)
                _library = ctypes.CDLL(built)
            except (OSError, subprocess.CalledProcessError):
                pass
    return _library


def call(name, *args):
    """Calls a kernel: tensors go as pointers, ints as int64, floats as float32, bools as int."""
    converted = []
    for a in args:
        if isinstance(a, torch.Tensor):
            converted.append(ctypes.c_void_p(a.data_ptr()))
        elif isinstance(a, bool):
            converted.append(ctypes.c_int(a))
        elif isinstance(a, int):
            converted.append(ctypes.c_int64(a))
        else:
            converted.append(ctypes.c_float(a))
    getattr(library(), name)(*converted)


class GroupNormFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, groups, eps, silu):
        x = x.contiguous(memory_format=torch.channels_last)
        b, c, h, w = x.shape
        y = torch.empty_like(x)
        stats = torch.empty(b, groups, 2)
        call("group_norm_fwd", x, weight, bias, y, stats, b, h * w, c, groups, eps, silu)
        ctx.save_for_backward(x, weight, bias, stats)
        ctx.silu = silu
        return y

    @staticmethod
    def backward(ctx, dy):
        x, weight, bias, stats = ctx.saved_tensors
        dy = dy.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
        b, c, h, w = x.shape
        dx, dw, db = torch.empty_like(x), torch.empty(b, c), torch.empty(b, c)
        call("group_norm_bwd", x, dy, weight, bias, stats, dx, dw, db, b, h * w, c, stats.shape[1], ctx.silu)
        return dx, dw.sum(0), db.sum(0), None, None, None


def group_norm(x, norm, silu):
    """GroupNorm of [B, C, H, W] by the module's weights, then SiLU where asked."""
    if x.dtype == torch.bfloat16 and library():
        return GroupNormFunction.apply(x, norm.weight, norm.bias, norm.num_groups, norm.eps, silu)
    y = F.group_norm(x.float(), norm.num_groups, norm.weight, norm.bias, norm.eps)
    return F.silu(y) if silu else y


class GeluFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        call("gelu_fwd", x, y, x.numel())
        ctx.save_for_backward(x)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, = ctx.saved_tensors
        dx = torch.empty_like(x)
        call("gelu_bwd", x, dy.to(torch.bfloat16).contiguous(), dx, x.numel())
        return dx


class ModulateFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, shift, scale):
        x, shift, scale = x.contiguous(), shift.contiguous(), scale.contiguous()
        b, n, d = x.shape
        y, stats = torch.empty(b, n, d, dtype=torch.bfloat16), torch.empty(b, n, 2)
        call("modulate_fwd", x, shift, scale, y, stats, b, n, d)
        ctx.save_for_backward(x, scale, stats)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, scale, stats = ctx.saved_tensors
        b, n, d = x.shape
        dx, dshift, dscale = torch.empty_like(x), torch.empty_like(scale), torch.empty_like(scale)
        call("modulate_bwd", x, scale, stats, dy.to(torch.bfloat16).contiguous(), dx, dshift, dscale, b, n, d)
        return dx, dshift, dscale


class GatedSumFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, gate, y):
        x, gate, y = x.contiguous(), gate.contiguous(), y.contiguous()
        out = torch.empty_like(x)
        call("gated_fwd", x, gate, y, out, *x.shape)
        ctx.save_for_backward(gate, y)
        return out

    @staticmethod
    def backward(ctx, dout):
        gate, y = ctx.saved_tensors
        dy, dgate, dout = torch.empty_like(y), torch.empty_like(gate), dout.contiguous()
        call("gated_bwd", dout, gate, y, dy, dgate, *y.shape)
        return dout, dgate, dy


class NormRopeFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, cos, sin, heads, factor):
        x, cos, sin = x.contiguous(), cos.contiguous(), sin.contiguous()
        b, n, c = x.shape
        y = torch.empty(b, heads, n, c // heads, dtype=torch.bfloat16)
        call("norm_rope_fwd", x, weight, cos, sin, y, b, n, heads, c // heads, factor)
        ctx.save_for_backward(x, weight, cos, sin)
        ctx.factor = factor
        return y

    @staticmethod
    def backward(ctx, dy):
        x, weight, cos, sin = ctx.saved_tensors
        dy = dy.to(torch.bfloat16).contiguous()
        b, h, n, d = dy.shape
        dx, dw = torch.empty_like(x), torch.empty(b, d)
        call("norm_rope_bwd", x, weight, cos, sin, dy, dx, dw, b, n, h, d, ctx.factor)
        return dx, dw.sum(0), None, None, None, None


def apply(*tensors):
    """Whether the fused bf16 form applies: under autocast and with bf16 or float32 inputs as expected."""
    return torch.is_autocast_cpu_enabled() and bool(library()) and tensors[-1].dtype == torch.bfloat16


def gelu(x):
    """tanh-approximated gelu."""
    if apply(x):
        return GeluFunction.apply(x)
    return x * torch.sigmoid(1.5957691216057308 * (x + 0.044715 * x * x * x))


def modulate(x, shift, scale):
    """LayerNorm without affine (eps 1e-6), then (1 + scale) and shift: [B, N, D] with [B, D]."""
    if torch.is_autocast_cpu_enabled() and library() and x.dtype == shift.dtype == torch.float32:
        return ModulateFunction.apply(x, shift, scale)
    return F.layer_norm(x.float(), x.shape[-1:], eps=1e-6) * (1 + scale[:, None]) + shift[:, None]


def gated_sum(x, gate, y):
    """x + gate * y: [B, N, D] with [B, D]; the residual stream stays float32."""
    if apply(y) and x.dtype == torch.float32:
        return GatedSumFunction.apply(x, gate, y)
    return x + gate[:, None] * y


def norm_rope(x, heads, norm, rope, factor=1.0):
    """RMS norm per head times a factor, then rotary embedding: [B, N, H*d] -> [B, H, N, d]."""
    if apply(x):
        return NormRopeFunction.apply(x, norm.weight, *rope, heads, factor)
    b, n, c = x.shape
    y = norm(x.view(b, n, heads, c // heads)) * factor
    cos, sin = (t[:, None] for t in rope)
    even, odd = y[..., 0::2], y[..., 1::2]
    y = torch.stack((even * cos - odd * sin, odd * cos + even * sin), dim=-1).flatten(-2)
    return y.transpose(1, 2).to(x.dtype)


def adamw(p, g, m, v, average, lr, step, scale, keep, decay=0.01, betas=(0.9, 0.99), eps=1e-8):
    """In-place AdamW step on float32 tensors with gradient factor `scale`, and average = keep*average + (1-keep)*p."""
    c1, c2 = 1 / (1 - betas[0] ** step), 1 / (1 - betas[1] ** step)
    if library():
        call("adamw", p, g, m, v, average, p.numel(), float(lr), betas[0], betas[1], eps, float(decay), c1, c2,
             float(scale), float(keep))
        return
    g = g * scale
    m.mul_(betas[0]).add_(g, alpha=1 - betas[0])
    v.mul_(betas[1]).addcmul_(g, g, value=1 - betas[1])
    p.mul_(1 - lr * decay).addcdiv_(m * c1, (v * c2).sqrt_().add_(eps), value=-lr)
    average.mul_(keep).add_(p, alpha=1 - keep)
