"""Losses that more than one model uses. Logits are (N,) or (N, …); the result is a scalar."""

import torch
import torch.nn.functional as F
from torch import Tensor


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Lim and Ye, Geometric GAN (2017), eq. 21."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def hinge_generator(fake: Tensor, real: Tensor) -> Tensor:
    return -fake.mean()


def bce_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Goodfellow et al. (2014), eq. 1, on logits."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def bce_generator(fake: Tensor, real: Tensor) -> Tensor:
    """The non-saturating form (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-fake).mean()


def relativistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Compares each real image with a generated one (Jolicoeur-Martineau, Relativistic Discriminator, ICLR 2019)."""
    return F.softplus(fake - real).mean()


def relativistic_generator(fake: Tensor, real: Tensor) -> Tensor:
    return F.softplus(real - fake).mean()


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence of N(mean, exp(log_variance)) from N(0, 1), summed over the latent: (N, D) → (N,). In nats.

    Kingma and Welling, Auto-Encoding Variational Bayes (2014), appendix B.
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)


def bernoulli_nll(logits: Tensor, values: Tensor) -> Tensor:
    """Negative log-likelihood of values in [0, 1] under Bernoulli variables, summed over each image: (N, …) → (N,). In
    nats. Kingma and Welling (2014), appendix C.1."""
    return F.binary_cross_entropy_with_logits(logits, values, reduction="none").flatten(1).sum(dim=1)


def pair_distance(features: Tensor) -> Tensor:
    """Mean absolute difference of the features (N, …) of two halves of a batch, over their mean absolute value."""
    n = len(features) // 2
    first, second = features[:n].float(), features[-n:].float()
    return (first - second).abs().mean() / features.detach().float().abs().mean()


def gradient_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """Half the squared gradient of an image's logit (of their mean, if it has several): R1 on real images, R2 on
    generated ones (Mescheder et al. 2018, eq. 9). Mean over images."""
    (gradient,) = torch.autograd.grad(logits.float().view(len(images), -1).mean(dim=1).sum(), images, create_graph=True)
    return 0.5 * gradient.float().square().sum(dim=(1, 2, 3)).mean()


def adaptive_weight(loss: Tensor, other: Tensor, parameter: Tensor) -> Tensor:
    """The weight at which the gradients of `other` and of `loss` at a parameter have equal norms (Esser et al., Taming
    Transformers, CVPR 2021, eq. 7); at most 10,000."""
    lengths = [torch.autograd.grad(x, parameter, retain_graph=True)[0].norm() for x in (loss, other)]
    return (lengths[0] / (lengths[1] + 1e-6)).clamp(max=1e4)
