"""Choosing among candidates with a critic: a type classifier that took no part in training the generator.

Rejection sampling with a classifier, as in Razavi et al., VQ-VAE-2 (NeurIPS 2019), section 3.3.

Letters: N images, K candidates, C conditions, D latent, E embedding.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pokegen.errors import UserError
from pokegen.models.classifier import Classifier, type_targets
from pokegen.models.condition import Condition
from pokegen.models.image import ImageModel
from pokegen.schema import NO_TYPE, SPRITE_SIZE, STYLES


class ChosenByCritic(ImageModel):
    """An ImageModel that draws `candidates` of each new sprite and keeps the one whose types the critic reads best."""

    critic: Any

    def add_critic(self, critic_checkpoint: str, widths: Sequence[int], candidates: int, default_style: str) -> None:
        """Call once, at the end of the constructor.

        Args:
            critic_checkpoint: zoo name or checkpoint folder of a classifier, which `pokegen fit` loads at the start;
                empty for none.
            widths: of that classifier.
            candidates: candidates for each new sprite, 1 or more.
            default_style: style of new sprites, one of schema.STYLES, if the user gives none and it occurs in the
                training data; empty for any style.
        """
        if critic_checkpoint and "type1" not in self.conditions:
            raise UserError("A critic of types needs the condition type1. Without it leave critic_checkpoint empty.")
        if default_style and (default_style not in STYLES or "style" not in self.conditions):
            raise UserError(
                f"default_style {default_style!r}: expected one of {', '.join(STYLES)}, and style among the conditions."
            )
        self.pretrained, self.candidates, self.default_style = critic_checkpoint, candidates, default_style
        self.critic = (
            Classifier(widths, species=0, corrupted=None).requires_grad_(False).eval() if critic_checkpoint else None
        )

    def train(self, mode: bool = True) -> "ChosenByCritic":
        super().train(mode)
        if self.critic is not None:
            self.critic.eval()
        return self

    def load_pretrained(self, source: nn.Module) -> None:
        """Copy the weights of a trained Classifier. UserError if they do not fit."""
        try:
            self.critic.load_state_dict({key: source.state_dict()[key] for key in self.critic.state_dict()})
        except (KeyError, RuntimeError) as error:
            raise UserError(f"critic_checkpoint: {self.pretrained} does not fit critic_widths.") from error

    def preview(self, latent: Tensor, embedded: Tensor) -> Tensor:
        """Latents (N, D) and embedded conditions (N, E) → images (N, 3, H, W) for the critic, drawn quickly."""
        raise NotImplementedError

    def sample_inputs(
        self,
        n: int,
        condition: Condition | None = None,
        generator: torch.Generator | None = None,
        truncation: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """See ImageModel.sample_inputs. Of `candidates` latents per image, the critic's choice is kept."""
        if self.default_style and (style := STYLES.index(self.default_style)) in self.prior.known("style"):
            condition = {"style": torch.full((n,), style)} | dict(condition or {})
        labels, first = super().sample_inputs(n, condition, generator, truncation)
        if self.critic is None:
            return labels, first
        latents = torch.stack([first, *(self.latents(n, generator, truncation) for _ in range(1, self.candidates))])
        with torch.no_grad():
            conditions = labels.to(self.device)
            drawn = (self.preview(z.to(self.device), self.embed(conditions)) for z in latents)
            losses = torch.stack([self._type_loss(images, conditions) for images in drawn])  # (K, N)
        return labels, latents[losses.argmin(dim=0).cpu(), torch.arange(n)]

    def _type_loss(self, drawn: Tensor, labels: Tensor) -> Tensor:
        """The critic's loss for the types of conditions (N, C) in images (N, 3, H, W), in nats: (N,)."""
        columns = dict(zip(self.conditions, labels.T, strict=True))
        types = type_targets(columns["type1"], columns.get("type2", torch.full_like(labels[:, 0], NO_TYPE)))
        logits = self.critic(F.interpolate(drawn, SPRITE_SIZE))
        return F.binary_cross_entropy_with_logits(logits, types, reduction="none").sum(dim=1)
