"""AutoencoderKL in PyTorch: same arithmetic and state-dict keys as the diffusers class, without quant convs."""
import torch
import torch.nn as nn
import torch.nn.functional as F

from .fused import group_norm


class Resnet(nn.Module):
    """[B, C_in, H, W] -> [B, C_out, H, W]."""

    def __init__(self, c_in, c_out, groups):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, c_in, eps=1e-6)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, c_out, eps=1e-6)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1)
        if c_in != c_out:
            self.conv_shortcut = nn.Conv2d(c_in, c_out, 1)
        self.same = c_in == c_out

    def forward(self, x):
        h = self.conv1(group_norm(x, self.norm1, True))
        h = self.conv2(group_norm(h, self.norm2, True))
        return h + (x if self.same else self.conv_shortcut(x))


class Attention(nn.Module):
    """Single-head self-attention over all positions of [B, C, H, W]."""

    def __init__(self, c, groups):
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, c, eps=1e-6)
        self.to_q, self.to_k, self.to_v = nn.Linear(c, c), nn.Linear(c, c), nn.Linear(c, c)
        self.to_out = nn.ModuleList([nn.Linear(c, c)])

    def forward(self, x):
        b, c, h, w = x.shape
        y = group_norm(x, self.group_norm, False).permute(0, 2, 3, 1).reshape(b, h * w, c)
        q, k, v = self.to_q(y), self.to_k(y), self.to_v(y)
        a = torch.softmax(q @ k.transpose(1, 2) * c ** -0.5, dim=-1) @ v
        y = self.to_out[0](a).reshape(b, h, w, c).permute(0, 3, 1, 2)
        return x + y


class Downsample(nn.Module):
    """Halves height and width; pads right and bottom only, as diffusers does."""

    def __init__(self, c):
        super().__init__()
        self.conv = nn.Conv2d(c, c, 3, stride=2)

    def forward(self, x):
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Doubles height and width: nearest neighbour, then a convolution."""

    def __init__(self, c):
        super().__init__()
        self.conv = nn.Conv2d(c, c, 3, padding=1)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    """Resnets of one resolution, then a change of resolution where asked."""

    def __init__(self, c_in, c_out, layers, groups, down=False, up=False):
        super().__init__()
        self.resnets = nn.ModuleList([Resnet(c_in if i == 0 else c_out, c_out, groups) for i in range(layers)])
        if down:
            self.downsamplers = nn.ModuleList([Downsample(c_out)])
        if up:
            self.upsamplers = nn.ModuleList([Upsample(c_out)])
        self.down, self.up = down, up

    def forward(self, x):
        for r in self.resnets:
            x = r(x)
        if self.down:
            x = self.downsamplers[0](x)
        return self.upsamplers[0](x) if self.up else x


class Middle(nn.Module):
    def __init__(self, c, groups, attention):
        super().__init__()
        self.resnets = nn.ModuleList([Resnet(c, c, groups), Resnet(c, c, groups)])
        self.attentions = nn.ModuleList([Attention(c, groups)] if attention else [])

    def forward(self, x):
        x = self.resnets[0](x)
        for a in self.attentions:
            x = a(x)
        return self.resnets[1](x)


class Encoder(nn.Module):
    """Picture [B, 3, H, W] -> mean and logvar [B, 2*latent, H/f, W/f]."""

    def __init__(self, config):
        super().__init__()
        c, g = config["block_out_channels"], config["norm_num_groups"]
        self.conv_in = nn.Conv2d(config["in_channels"], c[0], 3, padding=1)
        self.down_blocks = nn.ModuleList([
            Level(c[max(i - 1, 0)], c[i], config["layers_per_block"], g, down=i < len(c) - 1) for i in range(len(c))])
        self.mid_block = Middle(c[-1], g, config["mid_block_add_attention"])
        self.conv_norm_out = nn.GroupNorm(g, c[-1], eps=1e-6)
        self.conv_out = nn.Conv2d(c[-1], 2 * config["latent_channels"], 3, padding=1)

    def forward(self, x):
        x = self.conv_in(x)
        for block in self.down_blocks:
            x = block(x)
        return self.conv_out(group_norm(self.mid_block(x), self.conv_norm_out, True))


class Decoder(nn.Module):
    """Latent [B, latent, h, w] -> picture [B, 3, h*f, w*f]."""

    def __init__(self, config):
        super().__init__()
        c, g = config["block_out_channels"][::-1], config["norm_num_groups"]
        self.conv_in = nn.Conv2d(config["latent_channels"], c[0], 3, padding=1)
        self.mid_block = Middle(c[0], g, config["mid_block_add_attention"])
        self.up_blocks = nn.ModuleList([
            Level(c[max(i - 1, 0)], c[i], config["layers_per_block"] + 1, g, up=i < len(c) - 1) for i in range(len(c))])
        self.conv_norm_out = nn.GroupNorm(g, c[-1], eps=1e-6)
        self.conv_out = nn.Conv2d(c[-1], config["out_channels"], 3, padding=1)

    def forward(self, z):
        x = self.mid_block(self.conv_in(z))
        for block in self.up_blocks:
            x = block(x)
        return self.conv_out(group_norm(x, self.conv_norm_out, True))


class AutoencoderKL(nn.Module):
    """Encoder and decoder; latents here are unscaled (pipelines apply shift and scale)."""

    def __init__(self, config):
        super().__init__()
        assert not config.get("use_quant_conv") and not config.get("use_post_quant_conv")
        self.config = config
        self.encoder, self.decoder = Encoder(config), Decoder(config)

    def encode(self, image):
        """-> mean, logvar, each [B, latent, h, w]."""
        mean, logvar = self.encoder(image).chunk(2, dim=1)
        return mean, logvar.clamp(-30, 20)

    def decode(self, latent):
        return self.decoder(latent)
