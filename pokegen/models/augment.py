"""DiffAugment: the same random, differentiable changes for real and generated images.

Zhao et al., Differentiable Augmentation for Data-Efficient GAN Training (NeurIPS 2020), section 3.2. Left out: cutout,
whose rectangles leak into sprites; saturation and contrast are milder than in the paper, since colours carry the type.
All functions take and return float (N, 3, H, W) in [-1, 1], where white is 1.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def diff_augment(images: Tensor, shift: float = 0.125, color: float = 0.2) -> Tensor:
    """Translate by up to `shift` of the side (white moves in), then change brightness, saturation and contrast by up
    to `color`, each image differently. White stays nearly white: brightness moves only what is drawn."""
    if shift:
        images = translate(images, shift)
    return vary_color(images, color) if color else images


def translate(images: Tensor, shift: float) -> Tensor:
    n, _, height, width = images.shape
    most = int(height * shift + 0.5)
    padded = F.pad(images, (most,) * 4, value=1.0)  # white
    dy, dx = torch.randint(0, 2 * most + 1, (2, n, 1, 1), device=images.device)
    rows = torch.arange(height, device=images.device).view(1, -1, 1) + dy  # (N, H, 1)
    columns = torch.arange(width, device=images.device).view(1, 1, -1) + dx  # (N, 1, W)
    batch = torch.arange(n, device=images.device).view(-1, 1, 1)
    return padded.permute(0, 2, 3, 1)[batch, rows, columns].permute(0, 3, 1, 2)


def vary_color(images: Tensor, strength: float) -> Tensor:
    """In ink space (0 is white, 2 is black), so that the background does not move."""
    ink = 1 - images
    contrast, saturation = 1 + strength * (2 * torch.rand(2, len(images), 1, 1, 1, device=images.device) - 1)
    grey = ink.mean(dim=1, keepdim=True)
    return 1 - (grey + (ink - grey) * saturation) * contrast
