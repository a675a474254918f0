"""The text-to-image model as one module (transformer and both text encoders) and the configurations of its parts."""
import torch
import torch.nn as nn

from .flux import FluxTransformer2DModel, image_ids
from .labels import COUNT
from .text import CLIPTextModel, T5EncoderModel
from .tokenizers import LENGTH, END, START, build

NAME = "heddle-flux-mini"
TEXT_WIDTH, CLIP_WIDTH = 256, 128
FLUX = {
    "_class_name": "FluxTransformer2DModel", "_diffusers_version": "0.32.2", "attention_head_dim": 64,
    "axes_dims_rope": [8, 28, 28], "guidance_embeds": False, "in_channels": 32, "joint_attention_dim": TEXT_WIDTH,
    "num_attention_heads": 4, "num_layers": 4, "num_single_layers": 8, "out_channels": None, "patch_size": 1,
    "pooled_projection_dim": CLIP_WIDTH,
}


def clip_config():
    vocab = build()[0]["model"]["vocab"]
    return {
        "architectures": ["CLIPTextModel"], "attention_dropout": 0.0, "bos_token_id": vocab[START], "dropout": 0.0,
        "eos_token_id": vocab[END], "hidden_act": "quick_gelu", "hidden_size": CLIP_WIDTH, "initializer_factor": 1.0,
        "initializer_range": 0.02, "intermediate_size": 4 * CLIP_WIDTH, "layer_norm_eps": 1e-05,
        "max_position_embeddings": LENGTH, "model_type": "clip_text_model", "num_attention_heads": 4,
        "num_hidden_layers": 2, "pad_token_id": vocab[END], "projection_dim": CLIP_WIDTH, "torch_dtype": "float16",
        "transformers_version": "4.45.0", "vocab_size": len(vocab),
    }


def t5_config():
    return {
        "architectures": ["T5EncoderModel"], "classifier_dropout": 0.0, "d_ff": 512, "d_kv": 64, "d_model": TEXT_WIDTH,
        "decoder_start_token_id": 0, "dense_act_fn": "gelu_new", "dropout_rate": 0.0, "eos_token_id": 1,
        "feed_forward_proj": "gated-gelu", "initializer_factor": 1.0, "is_encoder_decoder": False, "is_gated_act": True,
        "layer_norm_epsilon": 1e-06, "model_type": "t5", "num_decoder_layers": 2, "num_heads": 4, "num_layers": 4,
        "output_past": True, "pad_token_id": 0, "relative_attention_max_distance": 128,
        "relative_attention_num_buckets": 32, "tie_word_embeddings": False, "torch_dtype": "float16",
        "transformers_version": "4.45.0", "use_cache": False, "vocab_size": len(build()[1]["model"]["vocab"]),
    }


class TextToImage(nn.Module):
    """Noisy packed latent, sigma and token ids -> predicted noise minus data."""

    def __init__(self, latent_size=16):
        super().__init__()
        self.transformer = FluxTransformer2DModel(FLUX)
        self.text_encoder = CLIPTextModel(clip_config())
        self.text_encoder_2 = T5EncoderModel(t5_config())
        self.semantics = nn.Linear(FLUX["attention_head_dim"] * FLUX["num_attention_heads"], COUNT)  # for training only
        self.image_ids, self.text_ids = image_ids(latent_size, latent_size), torch.zeros(LENGTH, 3)

    def encode(self, clip_ids, t5_ids):
        """Token ids [B, 32] each -> text states [B, 32, D] and pooled vector [B, P]."""
        return self.text_encoder_2(t5_ids), self.text_encoder(clip_ids)[1]

    def forward(self, x, sigma, clip_ids, t5_ids):
        """-> prediction [B, 64, C], and logits [B, 64, COUNT] of what covers each token (see labels.py)."""
        states, pooled = self.encode(clip_ids, t5_ids)
        tap = []
        prediction = self.transformer(x, states, pooled, sigma, self.image_ids, self.text_ids, tap=tap)
        return prediction, self.semantics(tap[0]).float()


@torch.no_grad()
def initialise(model):
    """Starting weights: scaled normals; modulation and the last projection start at zero, so every block starts as identity."""
    for name, p in model.named_parameters():
        if p.dim() < 2:
            p.fill_(1.0) if "norm" in name and name.endswith("weight") else p.zero_()
        elif "relative_attention_bias" in name:
            p.normal_(0, 0.1)
        elif "token_embedding" in name or "position_embedding" in name:
            p.normal_(0, 0.3)
        elif "shared" in name:
            p.normal_(0, 1.0)
        elif ".norm" in name or "norm_out" in name or name == "transformer.proj_out.weight":
            p.zero_()
        elif "SelfAttention.q" in name:
            p.normal_(0, p.shape[1] ** -0.5 * 64 ** -0.5)
        else:
            p.normal_(0, p.shape[1] ** -0.5 * (0.7 if "time_text_embed" in name else 1.0))
    return model
