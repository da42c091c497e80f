"""PyTorch's attention and encoders, which read the weights of layers inside them, made to call those layers instead."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from eie.errors import InputError

__all__ = ["call_layers_", "require_callable_layers"]


class _Attention(nn.MultiheadAttention):
    """A `torch.nn.MultiheadAttention` that calls its `out_proj`, which may then be a compressed layer."""

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        key_padding_mask: torch.Tensor | None = None,
        need_weights: bool = True,
        attn_mask: torch.Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return what the module did with its own `out_proj`."""
        if attn_mask is None and is_causal:
            raise InputError("attention with is_causal needs the attn_mask that is causal")
        batched = query.dim() == 3
        given = [query, key, value]
        if not batched:
            given = [one[None] for one in given]
            key_padding_mask = None if key_padding_mask is None else key_padding_mask[None]
        elif not self.batch_first:
            given = [one.transpose(0, 1) for one in given]
        weights: Sequence[torch.Tensor] = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        if self.in_proj_weight is not None:
            weights = self.in_proj_weight.chunk(3)
        biases = [None] * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        queries, keys, values = (
            nn.functional.linear(one, weight, bias)
            .reshape(*one.shape[:2], self.num_heads, self.head_dim)
            .transpose(1, 2)
            for one, weight, bias in zip(given, weights, biases, strict=True)
        )
        mask = _additive(attn_mask, queries.dtype)
        if mask is not None and mask.dim() == 3:  # one for each head of each item
            mask = mask.reshape(-1, self.num_heads, *mask.shape[1:])
        padding = _additive(key_padding_mask, queries.dtype)
        if padding is not None:
            padding = padding[:, None, None, :]
            mask = padding if mask is None else mask + padding
        dropout = self.dropout if self.training else 0.0
        shares = None
        if need_weights:
            scores = queries @ keys.transpose(-2, -1) * self.head_dim**-0.5
            shares = torch.softmax(scores if mask is None else scores + mask, dim=-1)
            shares = nn.functional.dropout(shares, dropout) if dropout else shares
            found = shares @ values
            shares = shares.mean(dim=1) if average_attn_weights else shares
        else:
            found = nn.functional.scaled_dot_product_attention(queries, keys, values, mask, dropout)
        outputs: torch.Tensor = self.out_proj(found.transpose(1, 2).flatten(2))
        if not batched:
            return outputs[0], None if shares is None else shares[0]
        return outputs if self.batch_first else outputs.transpose(0, 1), shares


def _additive(mask: torch.Tensor | None, kind: torch.dtype) -> torch.Tensor | None:
    """Return a mask as what is added to scores: where it is of truth values, minus infinity where it is true."""
    if mask is None or mask.dtype != torch.bool:
        return mask
    return torch.zeros_like(mask, dtype=kind).masked_fill(mask, float("-inf"))


def require_callable_layers(model: nn.Module, name: str) -> None:
    """Raise InputError if the layer `name` of `model` is read by an attention that cannot be made to call it."""
    attention = model.get_submodule(name.rpartition(".")[0])
    if isinstance(attention, nn.MultiheadAttention) and (attention.bias_k is not None or attention.add_zero_attn):
        raise InputError(
            f"{name} belongs to an attention with add_bias_kv or add_zero_attn, which reads its weights: leave it out"
        )


def call_layers_(model: nn.Module, name: str) -> None:
    """Let the modules around the layer `name` of `model` call it, where they would read its weights.

    A `torch.nn.MultiheadAttention` reads those of its `out_proj`; a `torch.nn.TransformerEncoder` and its layers read
    all in evaluation, for a fast path of their own, which is then not taken.
    """
    path = name.split(".")
    for length in range(len(path)):
        module = model.get_submodule(".".join(path[:length]))
        if type(module) is nn.MultiheadAttention:
            module.__class__ = _Attention
        elif isinstance(module, nn.TransformerEncoderLayer):
            module.activation_relu_or_gelu = 0  # "none of the two": what the fast path does not take
        elif isinstance(module, nn.TransformerEncoder):
            module.use_nested_tensor = False
