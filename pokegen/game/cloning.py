"""Behaviour cloning: a policy that presses what was pressed at such frames, from recorded or annotated play.

The convolutions are those of Mnih et al., Human-level control through deep reinforcement learning, Nature 2015, on the
last frames at 128×128; trained by cross-entropy (Pomerleau, ALVINN, NeurIPS 1988; Baker et al. 2022, section 4.3).

Left out: recurrence. What the last frames do not show, such as how long it has waited, the policy does not know.

Letters: B windows, T frames of a window, G groups of keys.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from pokegen.game.keys import KeyNetwork


class Policy(KeyNetwork):
    """The last frames → how likely each key is pressed now.

    Args:
        groups, window, balance, focal: see keys.KeyNetwork. A policy is to press as often as its teacher: balance 0.
        widths: channels of the three convolutions.
        hidden: of the layer behind them.
        dropout: in [0, 1), of that layer.
    """

    def __init__(
        self,
        groups: Mapping[str, Sequence[str]],
        window: int = 4,
        balance: float = 0.0,
        focal: float = 0.0,
        widths: Sequence[int] = (32, 64, 64),
        hidden: int = 512,
        dropout: float = 0.2,
    ):
        super().__init__(groups, window, balance, focal)
        self.trunk = nn.Sequential(
            *(nn.Conv2d(window, widths[0], 8, stride=4), nn.ReLU()),  # (B, C, 31, 31)
            *(nn.Conv2d(widths[0], widths[1], 4, stride=2), nn.ReLU()),  # (B, C, 14, 14)
            *(nn.Conv2d(widths[1], widths[2], 3, stride=2), nn.ReLU()),  # (B, C, 6, 6)
            *(nn.Flatten(), nn.Linear(widths[2] * 6**2, hidden), nn.ReLU(), nn.Dropout(dropout)),
        )
        self.head = nn.Linear(hidden, sum(self.keys.sizes))

    def features(self, frames: Tensor) -> Tensor:
        return self.trunk(frames - 0.5)[:, None]  # (B, 1, hidden)

    @torch.inference_mode()
    def act(self, frames: Tensor, actions: Tensor, generator: torch.Generator | None = None) -> int:
        """Draw one of A actions, each as likely as its keys together are.

        Args:
            frames: uint8 (T, 128, 128), the last of them is now.
            actions: int64 (A, G), the keys of each, as `keys.encode` gives them.
            generator: of the draw.
        """
        chances = [logits[0, 0].log_softmax(0) for logits in self(frames[None])]
        likely = torch.stack([c[a] for c, a in zip(chances, actions.unbind(1), strict=True)]).sum(dim=0)
        return int(torch.multinomial(likely.softmax(0), 1, generator=generator))
