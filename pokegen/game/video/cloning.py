"""Behaviour cloning: a policy that presses what was pressed at such frames, from recorded or annotated play.

Three strided convolutions bring the last frames to 8×8 places, each a tile of the overworld, on which residual blocks
reckon ways and distances: those of the Nature network (Mnih et al. 2015), with a dense layer after them, did not learn
to walk to a creature (benchmarks/idm.md). Trained by cross-entropy (Pomerleau, ALVINN, NeurIPS 1988; Baker et al. 2022,
section 4.3).

Most frames show no key, and teach little: so windows may be drawn around rare keys more often (`data.balance`), and the
loss takes that back by adding to each answer's logit how much more often it was drawn (Menon et al., Long-tail learning
via logit adjustment, ICLR 2021). The policy presses as often as its teacher all the same.

Left out: recurrence. What the last frames do not show, such as how long it has waited, the policy does not know.

Letters: B windows, T frames of a window, G groups of keys, C channels, N combinations of keys.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pokegen.game.video.idm import IMPALAResidual
from pokegen.game.video.keys import KeyNetwork


class Policy(KeyNetwork):
    """The last frames → how likely each key is pressed now.

    Args:
        groups, window: see keys.KeyNetwork. A window of one frame cannot copy the keys that the frames before it show,
            one of two sees which way things move.
        widths: channels of the three convolutions.
        blocks: residual blocks after them, each of which sees two places farther.
        hidden: of the layer after these.
        dropout: in [0, 1), of that layer.
    """

    monitor = "val/loss"  # keys are sampled, not predicted

    def __init__(
        self,
        groups: Mapping[str, Sequence[str]] = {},
        window: int = 2,
        widths: Sequence[int] = (32, 48, 64),
        blocks: int = 4,
        hidden: int = 256,
        dropout: float = 0.1,
    ):
        super().__init__(groups, window, balance=0.0, focal=0.0)
        first, second, third = widths
        self.stem = nn.Sequential(
            *(nn.Conv2d(window, first, 8, stride=4, padding=2), nn.ReLU()),  # (B, C, 32, 32)
            *(nn.Conv2d(first, second, 4, stride=2, padding=1), nn.ReLU()),  # (B, C, 16, 16)
            nn.Conv2d(second, third, 4, stride=2, padding=1),  # (B, C, 8, 8)
        )
        self.place = nn.Parameter(0.02 * torch.randn(third, 8, 8))
        self.blocks = nn.Sequential(*(IMPALAResidual(third) for _ in range(blocks)), nn.ReLU())
        self.dense = nn.Sequential(nn.Flatten(), nn.Linear(third * 8**2, hidden), nn.ReLU(), nn.Dropout(dropout))
        self.head = nn.Linear(hidden, sum(self.keys.sizes))

    def features(self, frames: Tensor) -> Tensor:
        frames = (frames - 0.5).contiguous(memory_format=torch.channels_last)  # the same numbers, twice as fast
        return self.dense(self.blocks(self.stem(frames) + self.place))[:, None]  # (B, 1, hidden)

    def loss(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """`loss`, nats a frame. With `log_weight`, see clips.py, the loss is that of the frames as sampled, and the
        logits are trained to be those of the frames as recorded."""
        if "log_weight" not in batch:
            return super().loss(batch)
        chances = self._chances(self(batch["frames"]), batch["combinations"]) + batch["log_weight"]  # (B, N)
        pressed = (batch["keys"] == batch["combinations"]).all(dim=2).int().argmax(dim=1)  # (B,)
        return {"loss": F.cross_entropy(chances, pressed)}

    def _chances(self, logits: Sequence[Tensor], combinations: Tensor) -> Tensor:
        """Log of how likely each of N combinations, int64 (N, G), is pressed: (B, N), not normalised."""
        each = [answer[:, 0].log_softmax(dim=1)[:, c] for answer, c in zip(logits, combinations.unbind(1), strict=True)]
        return torch.stack(each).sum(dim=0)

    @torch.inference_mode()
    def act(self, frames: Tensor, actions: Tensor, generator: torch.Generator | None = None) -> int:
        """Draw one of A actions, each as likely as its keys together are.

        Args:
            frames: uint8 (T, 128, 128), the last of them is now.
            actions: int64 (A, G), the keys of each, as `keys.encode` gives them.
            generator: of the draw.
        """
        likely = self._chances(self(frames[None]), actions)[0]
        return int(torch.multinomial(likely.softmax(0), 1, generator=generator))
