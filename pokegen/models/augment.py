"""DiffAugment: the same random, differentiable changes for real and generated images.

Zhao et al., Differentiable Augmentation for Data-Efficient GAN Training (NeurIPS 2020), section 3.2, with the rotation
and scaling of Karras et al., Training Generative Adversarial Networks with Limited Data (NeurIPS 2020), appendix B.
Left out: cutout, because its rectangles leak into sprites. Saturation and contrast are milder than in the papers,
because colours carry the type. All functions take and return float (N, 3, H, W) in [-1, 1]; white is 1.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def diff_augment(
    images: Tensor,
    shift: float = 0.125,
    color: float = 0.2,
    rotation: float = 0.0,
    scale: float = 0.0,
    probability: float = 1.0,
) -> Tensor:
    """Rotate by up to `rotation` degrees, scale by up to a factor of 1 + `scale` either way, translate by up to `shift`
    of the side (filled with white), then change brightness, saturation and contrast by up to `color`, differently for
    each image. White stays nearly white, since brightness changes only what is drawn.

    Each image is changed with `probability`. At 1, changed images may leak into what the generator draws; below about
    0.8 they do not (Karras et al., section 3.1)."""
    changed = affine(images, rotation, scale) if rotation or scale else images
    changed = translate(changed, shift) if shift else changed
    changed = vary_color(changed, color) if color else changed
    if probability < 1:
        chosen = torch.rand(len(images), 1, 1, 1, device=images.device) < probability
        changed = torch.where(chosen, changed, images)
    return changed


def affine(images: Tensor, rotation: float, scale: float) -> Tensor:
    """Rotate and scale about the centre; the area outside the image is white."""
    turn, size = 2 * torch.rand(2, len(images), device=images.device) - 1
    angle, factor = turn * math.radians(rotation), (1 + scale) ** size
    cos, sin, zero = factor * angle.cos(), factor * angle.sin(), torch.zeros_like(angle)
    matrix = torch.stack([torch.stack([cos, -sin, zero], dim=1), torch.stack([sin, cos, zero], dim=1)], dim=1)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return 1 - F.grid_sample(1 - images.float(), grid, align_corners=False)


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
    """Works on ink (0 is white, 2 is black), so that the background does not change."""
    ink = 1 - images
    contrast, saturation = 1 + strength * (2 * torch.rand(2, len(images), 1, 1, 1, device=images.device) - 1)
    grey = ink.mean(dim=1, keepdim=True)
    return 1 - (grey + (ink - grey) * saturation) * contrast
