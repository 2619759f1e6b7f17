"""Inverse dynamics model: predicts which key was pressed at each frame of a video, from the frames before and after.

After Baker et al., Video PreTraining (VPT): Learning to Act by Watching Unlabeled Online Videos, NeurIPS 2022,
appendix D: a convolution over time, residual stacks as in IMPALA (Espeholt et al., ICML 2018), dense layers a frame,
attention over the whole window in both directions. At a laptop's size: the first convolution also strides over space,
where most of the cost would be; `stem_stride` 1 and `stem_kernel` 1 give the paper's.

A key shows in what changes, a few pixels of an otherwise still picture: so the first convolution receives the changes
from frame to frame in addition to the frame itself. A linear map could compute them, but did not learn to: see
benchmarks/idm.md.

Left out: the mouse, and the paper's 0.5 B parameters (configs/experiment/idm_large.yaml goes halfway there).

Letters: B windows, T frames of a window, G groups of keys, C channels.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pokegen.errors import UserError
from pokegen.game.video.codec import FRAME_SIZE
from pokegen.game.video.keys import KeyNetwork

AROUND = 5  # frames that the first convolution sees at once


def around(frames: Tensor) -> Tensor:
    """Each frame with its neighbours as channels, so that a convolution over them is one over time too: (B, T, H, W) →
    (B·T, AROUND, H, W), channels last in memory. Beyond the ends the first and the last frame are repeated."""
    reach = AROUND // 2
    longer = torch.cat([frames[:, :1]] * reach + [frames] + [frames[:, -1:]] * reach, dim=1)
    return longer.unfold(1, AROUND, 1).flatten(0, 1).permute(0, 3, 1, 2)


class IMPALAResidual(nn.Module):
    """Two convolutions around which the input goes: (N, C, H, W) → the same."""

    def __init__(self, width: int):
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        nn.init.zeros_(self.second.weight)  # begins as the identity, so that no norm is needed

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(F.relu(x))))


def residual_stacks(inputs: int, widths: Sequence[int], blocks: int = 2) -> nn.Sequential:
    """IMPALA's: each entry of `widths` a convolution, a pooling that halves height and width, and residual blocks."""
    layers: list[nn.Module] = []
    for a, b in pairwise((inputs, *widths)):
        layers += [nn.Conv2d(a, b, 3, padding=1), nn.MaxPool2d(3, stride=2, padding=1)]
        layers += [IMPALAResidual(b) for _ in range(blocks)]
    return nn.Sequential(*layers, nn.ReLU())


class Attention(nn.Module):
    """Each frame of a window looks at all others: (B, T, C) → the same. Heads may be narrower than C / heads."""

    def __init__(self, width: int, heads: int, head_width: int):
        super().__init__()
        self.heads = heads
        self.inputs = nn.Linear(width, 3 * heads * head_width)
        self.output = nn.Linear(heads * head_width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.inputs(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # each (B, heads, T, c)
        return self.output(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class AttentionBlock(nn.Module):
    """Attention and a two-layer perceptron, both with norms before and a way around: (B, T, C) → the same."""

    def __init__(self, width: int, heads: int, head_width: int, hidden: int, dropout: float):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.attention = Attention(width, heads, head_width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.norms[0](x)))
        return x + self.dropout(self.mlp(self.norms[1](x)))


class VideoReader(KeyNetwork):
    """What the two inverse dynamics models below share: reading a whole video."""

    @torch.inference_mode()
    def read(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """A run of frames, uint8 (N, 128, 128) → each group's likeliest value, int64 (N, G), and how sure all of them
        together are, float32 (N,) in [0, 1]. Windows overlap by half, and each answers for its middle."""
        n, half = len(frames), max(1, self.window // 2)
        starts = torch.arange(0, max(1, n - self.window // 2), half)
        within = (starts[:, None] + torch.arange(self.window)).clamp(max=n - 1)  # the last frame is repeated
        values, sure = torch.zeros(n, len(self.keys.sizes), dtype=torch.long), torch.ones(n)
        for rows in within.split(16):
            answers = [logits.softmax(2).max(2) for logits in self(frames[rows])]
            for i, row in enumerate(rows.tolist()):
                first = 0 if row[0] == 0 else half // 2
                span = slice(row[0] + first, min(n, row[0] + self.window))  # the next window overwrites its own
                size = span.stop - span.start
                values[span] = torch.stack([a.indices[i, first : first + size] for a in answers], dim=1)
                sure[span] = torch.stack([a.values[i, first : first + size] for a in answers]).prod(dim=0)
        return values, sure


class InverseDynamics(VideoReader):
    """The default, 2.9 M parameters.

    Args:
        groups, kwargs: see keys.KeyNetwork.
        stem_width: filters of the first convolution.
        stem_kernel: height and width of its filters, pixels; over time they span five frames, as VPT's.
        stem_stride: its stride over height and width, pixels.
        motion: give the first convolution the changes between the five frames and the middle one, not all five.
        stacks: channels of the residual stacks, each of which halves height and width.
        width: channels of a frame in the attention.
        layers: attention blocks.
        heads: attention heads of each block.
        dropout: in [0, 1), in the attention blocks.
    """

    _MOTION_GAIN = 4.0  # most changes are small

    def __init__(
        self,
        groups: Mapping[str, Sequence[str]] = {},
        stem_width: int = 32,
        stem_kernel: int = 8,
        stem_stride: int = 4,
        motion: bool = True,
        stacks: Sequence[int] = (32, 64),
        width: int = 256,
        layers: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
        **kwargs: Any,
    ):
        super().__init__(groups, **kwargs)
        if stem_stride * 2 ** len(stacks) > FRAME_SIZE or width % heads:
            raise UserError("stem_stride and stacks must leave a pixel of 128, and width be a multiple of heads.")
        padding = max(0, (stem_kernel - stem_stride + 1) // 2)
        side = (FRAME_SIZE + 2 * padding - stem_kernel) // stem_stride + 1
        for _ in stacks:
            side = -(-side // 2)
        self.stem = nn.Conv2d(AROUND, stem_width, stem_kernel, stem_stride, padding)
        self.motion = motion
        self.stacks = residual_stacks(stem_width, stacks)
        self.dense = nn.Linear(stacks[-1] * side**2, width)
        self.place = nn.Parameter(0.02 * torch.randn(self.window, width))
        self.blocks = nn.Sequential(
            *(AttentionBlock(width, heads, width // heads, 4 * width, dropout) for _ in range(layers))
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, sum(self.keys.sizes))

    def features(self, frames: Tensor) -> Tensor:
        near = around(frames)  # (B·T, AROUND, 128, 128)
        if self.motion:
            near = torch.cat([near[:, AROUND // 2, None], self._MOTION_GAIN * near.diff(dim=1)], dim=1)
        x = F.relu(self.stem(near))  # (B·T, C, h, w)
        x = self.dense(self.stacks(x).flatten(1)).unflatten(0, frames.shape[:2])  # (B, T, width)
        return self.norm(self.blocks(x + self.place[: x.shape[1]]))


class FirstInverseDynamics(VideoReader):
    """The network of the project's first attempt, which answered the majority class whatever it saw: kept as the
    baseline of benchmarks/idm.md. It has no word for a frame's place in the window, and no way around its last layers.

    Args:
        groups, kwargs: see keys.KeyNetwork.
        balance: exponent in [0, 1] of the keys' weights, see keys.KeyNetwork; the first attempt had 0.
    """

    def __init__(self, groups: Mapping[str, Sequence[str]] = {}, balance: float = 0.0, **kwargs: Any):
        super().__init__(groups, balance=balance, **kwargs)
        self.stem = nn.Conv2d(AROUND, 16, 1)
        self.stem_norm = nn.GroupNorm(1, 16)  # over channels, height and width of a frame, as a layer norm
        self.stacks = residual_stacks(16, (8, 16, 16))
        self.dense = nn.Sequential(nn.Linear(16 * 16**2, 32), nn.ReLU(), nn.Linear(32, 512), nn.ReLU())
        self.attention = Attention(512, heads=4, head_width=16)
        self.norm = nn.LayerNorm(512)
        self.last = nn.Sequential(nn.Linear(512, 2048), nn.ReLU(), nn.Linear(2048, 512), nn.ReLU())
        self.head = nn.Linear(512, sum(self.keys.sizes))

    def features(self, frames: Tensor) -> Tensor:
        x = F.relu(self.stem_norm(self.stem(around(frames))))  # (B·T, 16, 128, 128)
        x = self.dense(self.stacks(x).flatten(1)).unflatten(0, frames.shape[:2])  # (B, T, 512)
        return self.last(self.norm(x + self.attention(x)))
