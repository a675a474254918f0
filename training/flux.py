"""FluxTransformer2DModel in PyTorch: same arithmetic and state-dict keys as the diffusers class."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from . import fused


class RMSNorm(nn.Module):
    """x / sqrt(mean x^2 + eps) * weight over the last axis."""

    def __init__(self, size, eps=1e-6):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(size)), eps

    def forward(self, x):
        x = x.float()
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


def rope_table(ids, axes, theta=10000.0):
    """ids [N, len(axes)] -> cos, sin [N, head_dim / 2], one value per interleaved pair."""
    parts = []
    for i, size in enumerate(axes):
        frequency = theta ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
        parts.append(ids[:, i].double()[:, None] * frequency[None])
    angle = torch.cat(parts, dim=1)
    return angle.cos().float(), angle.sin().float()


def timestep_features(t, size=256):
    """Sinusoidal features, cosine half first: [B] -> [B, size]."""
    frequency = torch.exp(-math.log(10000) * torch.arange(size // 2, dtype=torch.float32) / (size // 2))
    angle = t.float()[:, None] * frequency[None]
    return torch.cat((angle.cos(), angle.sin()), dim=-1)


class Embedder(nn.Module):
    """Linear, SiLU, linear."""

    def __init__(self, c_in, c):
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(c_in, c), nn.Linear(c, c)

    def forward(self, x):
        return self.linear_2(F.silu(self.linear_1(x)))


class TimeTextEmbed(nn.Module):
    """Timestep (times 1000), optional guidance and pooled text -> temb [B, D]."""

    def __init__(self, c, pooled, guidance):
        super().__init__()
        self.timestep_embedder = Embedder(256, c)
        if guidance:
            self.guidance_embedder = Embedder(256, c)
        self.text_embedder = Embedder(pooled, c)

    def forward(self, timestep, pooled, guidance=None):
        temb = self.timestep_embedder(timestep_features(timestep))
        if guidance is not None:
            temb = temb + self.guidance_embedder(timestep_features(guidance))
        return temb + self.text_embedder(pooled)


class Modulation(nn.Module):
    """silu(temb) -> n vectors of size D, each [B, D] float32."""

    def __init__(self, c, n):
        super().__init__()
        self.n, self.linear = n, nn.Linear(c, n * c)

    def forward(self, activated):
        return self.linear(activated).float().chunk(self.n, dim=1)


class FeedForward(nn.Module):
    """Linear to 4D, tanh-gelu, linear back; keys net.0.proj and net.2."""

    def __init__(self, c):
        super().__init__()
        first = nn.Module()
        first.proj = nn.Linear(c, 4 * c)
        self.net = nn.ModuleList([first, nn.Identity(), nn.Linear(4 * c, c)])

    def forward(self, x):
        return self.net[2](fused.gelu(self.net[0].proj(x)))


def attend(q, k, v):
    """Softmax attention over [B, H, N, d], q already times 1/sqrt(d); returns [B, N, H*d]."""
    b, h, n, d = q.shape
    w = torch.softmax(torch.matmul(q, k.transpose(-1, -2)), dim=-1)
    return torch.matmul(w, v).transpose(1, 2).reshape(b, n, h * d)


class JointAttention(nn.Module):
    """Attention over text and image tokens together; single-stream form without output projections."""

    def __init__(self, c, heads, double):
        super().__init__()
        d = c // heads
        self.heads = heads
        self.norm_q, self.norm_k = RMSNorm(d), RMSNorm(d)
        self.to_q, self.to_k, self.to_v = nn.Linear(c, c), nn.Linear(c, c), nn.Linear(c, c)
        if double:
            self.norm_added_q, self.norm_added_k = RMSNorm(d), RMSNorm(d)
            self.add_q_proj, self.add_k_proj, self.add_v_proj = nn.Linear(c, c), nn.Linear(c, c), nn.Linear(c, c)
            self.to_out, self.to_add_out = nn.ModuleList([nn.Linear(c, c)]), nn.Linear(c, c)

    def project(self, x, q, k, v, norm_q, norm_k, rope):
        """[B, N, D] -> q, k (normalised and rotated) and v, each [B, H, N, d]."""
        b, n, c = x.shape
        queries = fused.norm_rope(q(x), self.heads, norm_q, rope, (c // self.heads) ** -0.5)
        keys = fused.norm_rope(k(x), self.heads, norm_k, rope)
        return queries, keys, v(x).view(b, n, self.heads, c // self.heads).transpose(1, 2)

    def double(self, image, text, rope):
        """-> attention output for image tokens and for text tokens."""
        n = text.shape[1]
        cos, sin = rope
        t = self.project(text, self.add_q_proj, self.add_k_proj, self.add_v_proj, self.norm_added_q, self.norm_added_k,
                         (cos[:n], sin[:n]))
        i = self.project(image, self.to_q, self.to_k, self.to_v, self.norm_q, self.norm_k, (cos[n:], sin[n:]))
        out = attend(*(torch.cat(pair, dim=2) for pair in zip(t, i)))
        return self.to_out[0](out[:, n:]), self.to_add_out(out[:, :n])

    def single(self, x, rope):
        return attend(*self.project(x, self.to_q, self.to_k, self.to_v, self.norm_q, self.norm_k, rope))


class DoubleBlock(nn.Module):
    """Separate weights for the image and the text stream, joint attention."""

    def __init__(self, c, heads):
        super().__init__()
        self.norm1, self.norm1_context = Modulation(c, 6), Modulation(c, 6)
        self.attn = JointAttention(c, heads, double=True)
        self.ff, self.ff_context = FeedForward(c), FeedForward(c)

    def forward(self, image, text, activated, rope):
        i, t = self.norm1(activated), self.norm1_context(activated)  # shift, scale, gate; twice
        a_image, a_text = self.attn.double(fused.modulate(image, i[0], i[1]), fused.modulate(text, t[0], t[1]), rope)
        image, text = fused.gated_sum(image, i[2], a_image), fused.gated_sum(text, t[2], a_text)
        image = fused.gated_sum(image, i[5], self.ff(fused.modulate(image, i[3], i[4])))
        text = fused.gated_sum(text, t[5], self.ff_context(fused.modulate(text, t[3], t[4])))
        return image, text


class SingleBlock(nn.Module):
    """One stream: attention and MLP side by side, joined by one output projection."""

    def __init__(self, c, heads):
        super().__init__()
        self.norm = Modulation(c, 3)
        self.attn = JointAttention(c, heads, double=False)
        self.proj_mlp, self.proj_out = nn.Linear(c, 4 * c), nn.Linear(5 * c, c)

    def forward(self, x, activated, rope):
        shift, scale, gate = self.norm(activated)
        y = fused.modulate(x, shift, scale)
        a = self.attn.single(y, rope)
        m = fused.gelu(self.proj_mlp(y))
        return fused.gated_sum(x, gate, self.proj_out(torch.cat((a, m.to(a.dtype)), dim=2)))


class FluxTransformer2DModel(nn.Module):
    """Packed latents [B, N, C] and text [B, T, J] -> prediction [B, N, C]."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        heads, d = config["num_attention_heads"], config["attention_head_dim"]
        c = heads * d
        self.axes = config["axes_dims_rope"]
        self.time_text_embed = TimeTextEmbed(c, config["pooled_projection_dim"], config["guidance_embeds"])
        self.context_embedder = nn.Linear(config["joint_attention_dim"], c)
        self.x_embedder = nn.Linear(config["in_channels"], c)
        self.transformer_blocks = nn.ModuleList([DoubleBlock(c, heads) for _ in range(config["num_layers"])])
        self.single_transformer_blocks = nn.ModuleList([SingleBlock(c, heads) for _ in range(config["num_single_layers"])])
        self.norm_out = Modulation(c, 2)
        self.proj_out = nn.Linear(c, config["out_channels"] or config["in_channels"])

    def forward(self, hidden_states, encoder_hidden_states, pooled_projections, timestep, img_ids, txt_ids, guidance=None, tap=None):
        """timestep [B] in 0..1; img_ids [N, 3], txt_ids [T, 3]; the list `tap` gets the image tokens after the double blocks."""
        temb = self.time_text_embed(timestep * 1000, pooled_projections, None if guidance is None else guidance * 1000)
        activated = F.silu(temb)
        image, text = self.x_embedder(hidden_states).float(), self.context_embedder(encoder_hidden_states).float()
        rope = rope_table(torch.cat((txt_ids, img_ids)), self.axes)
        for block in self.transformer_blocks:
            image, text = block(image, text, activated, rope)
        if tap is not None:
            tap.append(image)
        n = text.shape[1]
        x = torch.cat((text, image), dim=1)
        for block in self.single_transformer_blocks:
            x = block(x, activated, rope)
        scale, shift = self.norm_out(activated)
        return self.proj_out(fused.modulate(x[:, n:], shift, scale))


def pack(z):
    """Latent [B, C, H, W] -> tokens [B, H/2*W/2, C*4], feature order c, dy, dx."""
    b, c, h, w = z.shape
    return z.view(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(b, h * w // 4, c * 4)


def unpack(x, h, w):
    """Inverse of pack; h, w are the latent's height and width."""
    b, _, c = x.shape
    return x.view(b, h // 2, w // 2, c // 4, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(b, c // 4, h, w)


def image_ids(h, w):
    """(0, row, column) of every packed token of an h x w latent: [h/2*w/2, 3]."""
    y, x = torch.meshgrid(torch.arange(h // 2), torch.arange(w // 2), indexing="ij")
    return torch.stack((torch.zeros_like(y), y, x), dim=-1).reshape(-1, 3).float()
