"""cvae: the variational autoencoder conditional on types, colour, legendary, stage, shiny and style.

Sohn, Lee and Yan, Learning Structured Output Representation using Deep Conditional Generative Models (NeurIPS 2015):
encoder and decoder both see the conditions, so the latent need not encode them. Everything else is as in `vae`.

Left out: a prior of the latent that depends on the conditions. One Gaussian serves all, fitted as in `vae`.
"""

from collections.abc import Sequence

from pokegen.models.condition import CONDITIONS
from pokegen.models.vae import VAE
from pokegen.schema import SPRITE_SIZE


class CVAE(VAE):
    """Images (N, 3, S, S) in [-1, 1] and conditions (N, C) ↔ latent (N, D).

    Args:
        latent_dim, width, size, architecture, likelihood, warmup_images: see VAE.
        conditions: the conditions it supports.
        embedding_dim: size of the condition embedding.
    """

    def __init__(
        self,
        latent_dim: int = 64,
        width: int = 32,
        size: int = SPRITE_SIZE,
        architecture: str = "conv",
        likelihood: str = "gaussian",
        warmup_images: int = 40_000,
        conditions: Sequence[str] = CONDITIONS,
        embedding_dim: int = 64,
    ):
        super().__init__(latent_dim, width, size, 3, architecture, likelihood, warmup_images, conditions, embedding_dim)
