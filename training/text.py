"""CLIPTextModel and T5EncoderModel in PyTorch: same arithmetic and state-dict keys as the transformers classes."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from . import fused


class ClipAttention(nn.Module):
    """Causal self-attention on [B, N, D]."""

    def __init__(self, c, heads):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(c, c) for _ in range(4))

    def forward(self, x, mask):
        b, n, c = x.shape
        q, k, v = (p(x).view(b, n, self.heads, -1).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        w = torch.softmax(q @ k.transpose(-1, -2) * (c // self.heads) ** -0.5 + mask, dim=-1)
        return self.out_proj((w.to(v.dtype) @ v).transpose(1, 2).reshape(b, n, c))


class ClipLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        c, eps = config["hidden_size"], config["layer_norm_eps"]
        self.self_attn = ClipAttention(c, config["num_attention_heads"])
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(c, eps=eps), nn.LayerNorm(c, eps=eps)
        self.mlp = nn.Module()
        self.mlp.fc1, self.mlp.fc2 = nn.Linear(c, config["intermediate_size"]), nn.Linear(config["intermediate_size"], c)

    def forward(self, x, mask):
        x = x + self.self_attn(self.layer_norm1(x), mask)
        h = self.mlp.fc1(self.layer_norm2(x))
        return x + self.mlp.fc2(h * torch.sigmoid(1.702 * h))  # quick-gelu


class CLIPTextModel(nn.Module):
    """Token ids [B, N] -> last hidden state [B, N, D] and pooled vector [B, D] (row of the end token)."""

    def __init__(self, config):
        super().__init__()
        assert config["hidden_act"] == "quick_gelu"
        self.config = config
        c = config["hidden_size"]
        m = self.text_model = nn.Module()
        m.embeddings = nn.Module()
        m.embeddings.token_embedding = nn.Embedding(config["vocab_size"], c)
        m.embeddings.position_embedding = nn.Embedding(config["max_position_embeddings"], c)
        m.encoder = nn.Module()
        m.encoder.layers = nn.ModuleList([ClipLayer(config) for _ in range(config["num_hidden_layers"])])
        m.final_layer_norm = nn.LayerNorm(c, eps=config["layer_norm_eps"])

    def forward(self, ids):
        m, n = self.text_model, ids.shape[1]
        x = m.embeddings.token_embedding(ids) + m.embeddings.position_embedding.weight[:n]
        mask = torch.full((n, n), float("-inf")).triu(1)
        for layer in m.encoder.layers:
            x = layer(x, mask)
        x = m.final_layer_norm(x)
        end = self.config["eos_token_id"]
        row = ids.argmax(-1) if end == 2 else (ids == end).int().argmax(-1)
        return x, x[torch.arange(len(ids)), row]


class T5Norm(nn.Module):
    """RMS norm without bias."""

    def __init__(self, c, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(c)), eps

    def forward(self, x):
        return x * torch.rsqrt(x.float().square().mean(-1, keepdim=True) + self.eps) * self.weight


class T5Attention(nn.Module):
    """Self-attention without 1/sqrt(d), with an additive position bias [1, H, N, N]."""

    def __init__(self, config, table):
        super().__init__()
        inner = config["num_heads"] * config["d_kv"]
        self.heads = config["num_heads"]
        self.q, self.k, self.v = (nn.Linear(config["d_model"], inner, bias=False) for _ in range(3))
        self.o = nn.Linear(inner, config["d_model"], bias=False)
        if table:
            self.relative_attention_bias = nn.Embedding(config["relative_attention_num_buckets"], self.heads)

    def forward(self, x, bias):
        b, n, _ = x.shape
        q, k, v = (p(x).view(b, n, self.heads, -1).transpose(1, 2) for p in (self.q, self.k, self.v))
        w = torch.softmax((q @ k.transpose(-1, -2)).float() + bias, dim=-1)
        return self.o((w.to(v.dtype) @ v).transpose(1, 2).reshape(b, n, -1))


class T5Block(nn.Module):
    def __init__(self, config, table):
        super().__init__()
        c, eps = config["d_model"], config["layer_norm_epsilon"]
        first, second = nn.Module(), nn.Module()
        first.SelfAttention, first.layer_norm = T5Attention(config, table), T5Norm(c, eps)
        dense = second.DenseReluDense = nn.Module()
        dense.wi_0, dense.wi_1 = (nn.Linear(c, config["d_ff"], bias=False) for _ in range(2))
        dense.wo = nn.Linear(config["d_ff"], c, bias=False)
        second.layer_norm = T5Norm(c, eps)
        self.layer = nn.ModuleList([first, second])

    def forward(self, x, bias):
        first, second = self.layer
        x = x + first.SelfAttention(first.layer_norm(x), bias)
        y, d = second.layer_norm(x), second.DenseReluDense
        return x + d.wo(fused.gelu(d.wi_0(y)) * d.wi_1(y))


def relative_bucket(distance, buckets, furthest):
    """T5's bidirectional buckets: key position minus query position -> index."""
    half = buckets // 2
    base = (distance > 0).long() * half
    n = distance.abs()
    exact = half // 2
    far = exact + (torch.log(n.float().clamp_min(1) / exact) / math.log(furthest / exact) * (half - exact)).long()
    return base + torch.where(n < exact, n, far.clamp_max(half - 1))


class T5EncoderModel(nn.Module):
    """Token ids [B, N] (and mask [B, N] or none) -> hidden state [B, N, d_model]."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.shared = nn.Embedding(config["vocab_size"], config["d_model"])
        self.encoder = nn.Module()
        self.encoder.block = nn.ModuleList([T5Block(config, i == 0) for i in range(config["num_layers"])])
        self.encoder.final_layer_norm = T5Norm(config["d_model"], config["layer_norm_epsilon"])

    def forward(self, ids, mask=None):
        n = ids.shape[1]
        p = torch.arange(n)
        bucket = relative_bucket(p[None] - p[:, None], self.config["relative_attention_num_buckets"],
                                 self.config["relative_attention_max_distance"])
        table = self.encoder.block[0].layer[0].SelfAttention.relative_attention_bias
        bias = table(bucket).permute(2, 0, 1)[None]
        if mask is not None:
            bias = bias + (1 - mask[:, None, None].float()) * torch.finfo(torch.float32).min
        x = self.shared(ids)
        for block in self.encoder.block:
            x = block(x, bias)
        return self.encoder.final_layer_norm(x)
