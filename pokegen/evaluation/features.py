"""Features of pictures for the panel, at several depths of its own classifier and of random networks.

    judge     `models.classifier.Classifier`, trained on real sprites: `checkpoints/judge`
    random    seeded convolutions that were never trained, so that no model can have been trained against them (Naeem
              et al. 2020, section 4; they rank generators as trained features do, arXiv 2208.09218)

The features of a depth are the mean and deviation of every channel over the picture. `body` describes the whole: where
in the picture each channel is active, on a grid of 4×4. A single depth can be fooled: in the last layer of a species
classifier a bad DCGAN scored as well as unseen real species.

Letters: N pictures, C channels, D features.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pokegen.evaluation.distances import kernel_distance
from pokegen.evaluation.references import blended

Features = dict[str, Tensor]  # depth → float32 (N, D)
_BATCH = 64
_SUBSET = 200  # pictures in a subset of the kernel distance
_BLENDED = 600  # pictures that define the unit


class RandomNet(nn.Module):
    """Untrained convolutions: (N, 3, 128, 128) → maps of 64, 32, 16 and 8 pixels.

    Args:
        seed: of the weights.
        widths: channels of each map.
    """

    def __init__(self, seed: int, widths: tuple[int, ...] = (32, 64, 96, 128)):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weights = [
            torch.randn(b, a, 4, 4, generator=generator) * (2 / (16 * a)) ** 0.5 for a, b in pairwise((3, *widths))
        ]

    def stage_maps(self, images: Tensor) -> list[Tensor]:
        maps = [1 - images]  # white is 0, so that the background activates nothing
        for weight in self.weights:
            maps.append(F.leaky_relu(F.conv2d(maps[-1], weight, stride=2, padding=1), 0.2))
        return maps[1:]


def as_images(pictures: np.ndarray) -> Iterator[Tensor]:
    """uint8 (N, 128, 128, 3) → batches of float32 (≤ 64, 3, 128, 128) in [-1, 1]."""
    for start in range(0, len(pictures), _BATCH):
        part = torch.from_numpy(np.ascontiguousarray(pictures[start : start + _BATCH]))
        yield part.permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


@torch.inference_mode()
def features(net: Any, pictures: np.ndarray) -> Features:
    """Features of uint8 pictures (N, 128, 128, 3) at each depth of a net with `stage_maps`."""
    parts: list[Features] = []
    for images in as_images(pictures):
        maps = net.stage_maps(images)
        part = {str(m.shape[-1]): _moments(m) for m in maps}
        if not isinstance(net, RandomNet):  # its grid would only locate colours
            part["body"] = F.adaptive_avg_pool2d(next(m for m in maps if m.shape[-1] == 8), 4).flatten(1)  # (N, 16 C)
        parts.append(part)
    return {depth: torch.cat([part[depth] for part in parts]) for depth in parts[0]}


def _moments(x: Tensor) -> Tensor:
    """Mean and deviation of each channel over the picture: (N, C, H, W) → (N, 2 C). Computed as products with a vector
    of ones, because torch's reductions are many times slower on channels-last maps."""
    flat = x.permute(0, 2, 3, 1).flatten(1, 2)  # (N, HW, C)
    ones = torch.full((len(x), 1, flat.shape[1]), 1 / flat.shape[1])
    mean, square = torch.bmm(ones, flat)[:, 0], torch.bmm(ones, flat.square())[:, 0]
    return torch.cat([mean, (square - mean.square()).clamp(min=0).sqrt()], dim=1)


class ReferenceFeatures:
    """The features of reference pictures in a network, for comparing other pictures with them. Features are scaled to
    mean 0 and deviation 1 over the reference. Kernel distances are in units of the distance to blended reference
    pictures, so that all depths have equal weight.

    Args:
        net: has `stage_maps`.
        reference: uint8 (N, 128, 128, 3), real sprites.
        seed: of the blending and the subsets.
    """

    def __init__(self, net: Any, reference: np.ndarray, seed: int = 0):
        self.net, self.seed = net, seed
        raw = features(net, reference)
        self.scale = {depth: (f.mean(dim=0), f.std(dim=0).clamp(min=1e-4)) for depth, f in raw.items()}
        self.reference = self._scaled(raw)
        self.unit = self._kernel(self.embed(blended(reference, seed)[:_BLENDED]))

    def embed(self, pictures: np.ndarray) -> Features:
        """Scaled features of uint8 pictures (N, 128, 128, 3)."""
        return self._scaled(features(self.net, pictures))

    def kernel_distances(self, seen: Features) -> dict[str, float]:
        """From the reference, at each depth: about 0 for the same distribution, 1 for blends of two sprites."""
        return {depth: value / self.unit[depth] for depth, value in self._kernel(seen).items()}

    def kernel_distance(self, seen: Features) -> float:
        """The mean over all depths."""
        return float(np.mean(list(self.kernel_distances(seen).values())))

    def _kernel(self, seen: Features) -> dict[str, float]:
        size = min(_SUBSET, *(len(f) for f in (self.reference["8"], seen["8"])))
        return {depth: kernel_distance(f, seen[depth], self.seed, size) for depth, f in self.reference.items()}

    def _scaled(self, raw: Features) -> Features:
        return {depth: (f - self.scale[depth][0]) / self.scale[depth][1] for depth, f in raw.items()}
