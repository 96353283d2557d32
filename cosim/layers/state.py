"""Buffers that may be absent: None until drawn or calibrated, and restored by `load_state_dict` all the same."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn


def register_optional(module: nn.Module, *names: str) -> None:
    """Register buffers that are None for now; loading a state makes them as the state has them, or None."""
    for name in names:
        module.register_buffer(name, None)
    module.register_load_state_dict_pre_hook(_allocate)


def _allocate(module: nn.Module, state_dict: Mapping[str, Any], prefix: str, *_: Any) -> None:
    for name in module._buffers:
        saved = state_dict.get(prefix + name)
        setattr(module, name, None if saved is None else torch.empty_like(saved))
