"""The interface of all image models: `sample`, and the steps inside it that a latent walk needs.

Letters: N images, D latent, C conditions, E embedding of the conditions, S side in pixels.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pokegen.errors import UserError
from pokegen.models.condition import Condition, ConditionEmbedding, ConditionPrior
from pokegen.models.network import Network
from pokegen.schema import SPRITE_SIZE


class ImageModel(Network):
    """Latent (N, D) and the supported conditions (N, C), if any → images (N, channels, S, S) in [-1, 1].

    Args:
        latent_dim: D.
        size: S; 64, 128 or 256 for sprites.
        channels: 3 for RGB, 1 for grey.
        conditions: the conditions it supports, some of `models.condition.CONDITIONS`.
        embedding_dim: E.
    """

    condition_scale: Tensor
    hub_task = "unconditional-image-generation"  # conditions are optional
    encodes = False  # whether it has `encode`

    def __init__(
        self,
        latent_dim: int,
        size: int = SPRITE_SIZE,
        channels: int = 3,
        conditions: Sequence[str] = (),
        embedding_dim: int = 0,
    ):
        super().__init__()
        self.latent_dim, self.size, self.channels, self.conditions = latent_dim, size, channels, tuple(conditions)
        if conditions:
            self.prior = ConditionPrior(conditions)
            self.embedding = ConditionEmbedding(embedding_dim, conditions)
            self.register_buffer("condition_scale", torch.ones(()))  # how far training has faded the conditions in

    def prepare(self, data: Any) -> None:
        """Fit the prior of the conditions to the DataModule. UserError if its images have another shape."""
        expected = (self.channels, self.size, self.size)
        if (found := getattr(data, "image_shape", expected)) != expected:
            raise UserError(
                f"The model draws images of {'×'.join(map(str, expected))}, but the data are "
                f"{'×'.join(map(str, found))}. Give both the same size and channels."
            )
        if not self.conditions:
            return
        if not hasattr(data, "conditions"):
            raise UserError(
                f"The model is conditioned on {', '.join(self.conditions)}, but this DataModule provides no conditions."
            )
        self.prior.fit(*data.conditions)

    def sample_conditions(
        self, n: int, condition: Condition | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Conditions int64 (n, C): the given ones stay, the rest are sampled as the training data distributes them."""
        return self.prior.draw(n, condition, generator) if self.conditions else torch.zeros(n, 0, dtype=torch.long)

    def embed(self, labels: Tensor) -> Tensor:
        """Conditions (N, C) → embeddings (N, E), which a walk may interpolate linearly. E is 0 without conditions."""
        return (
            self.condition_scale * self.embedding(labels)
            if self.conditions
            else labels.new_zeros(len(labels), 0, dtype=torch.float)
        )

    def latents(self, n: int, generator: torch.Generator | None = None, truncation: float = 1.0) -> Tensor:
        """Latents (n, D) of new images, on the CPU. `truncation` below 1 moves them towards the centre."""
        return truncation * torch.randn(n, self.latent_dim, generator=generator)

    @property
    def center(self) -> Tensor:
        """The mean of the latents, (D,); a walk interpolates around it."""
        return torch.zeros(self.latent_dim)

    def render(self, latent: Tensor, embedded: Tensor) -> Tensor:
        """Latents (N, D) and embedded conditions (N, E) → images (N, channels, S, S) in [-1, 1]. Differentiable, except
        in models with `encode`."""
        raise NotImplementedError

    def postprocess(self, images: Tensor) -> Tensor:
        """Rendered images, float32 (N, channels, S, S), → those to show. The default changes nothing."""
        return images

    def decode(self, latent: Tensor, embedded: Tensor) -> Tensor:
        """Latents (N, D) and embedded conditions (N, E) → images to show, float32 (N, channels, S, S) in [-1, 1]:
        `render`, then `postprocess`."""
        return self.postprocess(self.render(latent, embedded).float())

    def encode(self, images: Tensor, embedded: Tensor) -> Any:
        """Images (N, channels, S, S) in [-1, 1] and embedded conditions (N, E) → latents (N, D), and any further output
        of the encoder. Only if `encodes`."""
        raise NotImplementedError

    def auxiliary_loss(self, real: Tensor) -> Tensor | None:
        """A further loss of a GAN's generator that needs only real images, if it has one."""
        return None

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any, **kwargs: Any) -> None:
        if (old := f"{prefix}strength") in state_dict:  # the name in earlier versions
            state_dict[f"{prefix}condition_scale"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def sample_inputs(
        self,
        n: int,
        condition: Condition | None = None,
        generator: torch.Generator | None = None,
        truncation: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """The inputs of new images: conditions (n, C) and latents (n, D). See `sample`."""
        return self.sample_conditions(n, condition, generator), self.latents(n, generator, truncation)

    @torch.inference_mode()
    def sample(
        self,
        n: int,
        condition: Condition | None = None,
        generator: torch.Generator | None = None,
        truncation: float = 1.0,
    ) -> Tensor:
        """Images, float32 (n, channels, S, S) in [-1, 1]. Conditions that the model does not support are ignored.
        `truncation` below 1 gives safer and less varied images."""
        labels, latent = self.sample_inputs(n, condition, generator, truncation)
        return self.decode(latent.to(self.device), self.embed(labels.to(self.device)))
