"""Uses of a sprite model's latent space: one creature under other conditions, the forms of a line, a walk between
creatures, and the inversion of a user's picture.

All need an ImageModel (`models/image.py`), and start from the creature that `pokegen sprites` draws with the same seed.

Letters: N creatures, D latent, C conditions, E their embedding, S side in pixels.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from pokegen.models.image import ImageModel
from pokegen.schema import NO_TYPE

TRIES = 64  # candidate conditions of an inversion; without an encoder four times as many, each with a latent
STEPS = 80  # of a search
_GROWTH = 1.5  # factor on the learned difference between the forms of a line: stages alone change a sprite little
_FOLLOWS = {"type1": ("color", "type2")}  # conditions that a new value samples again, unless they are requested


def vary_condition(
    model: ImageModel, labels: Tensor, key: str, requested: dict[str, Tensor], generator: torch.Generator
) -> Iterator[tuple[int, Tensor]]:
    """Yields each value of condition `key` that the model knows, and the conditions `labels` (N, C) with that value,
    int64 (N, C).

    The `requested` conditions stay. With a new type, the second type is none and the colour is sampled again from the
    colours of that type's creatures, because a type is hard to recognise in the colour of another.
    """
    free = {key, *_FOLLOWS.get(key, ())} - requested.keys()
    state = generator.get_state()
    for value in model.prior.known(key):
        generator.set_state(state)  # the same luck for each value
        condition = {k: labels[:, i] for i, k in enumerate(model.conditions) if k not in free}
        condition[key] = torch.full((len(labels),), value)
        if key == "type1":
            second = condition.get("type2", torch.full((len(labels),), NO_TYPE))
            condition["type2"] = second.masked_fill(second == value, NO_TYPE)
        elif key == "type2":
            condition["type1"] = condition["type1"].masked_fill(condition["type1"] == value, -1)
        yield value, model.sample_conditions(len(labels), condition, generator)


def slerp(start: Tensor, end: Tensor, share: float, center: Tensor) -> Tensor:
    """From latent `start` (share 0) to `end` (share 1), all (D,), along the great circle around `center`: a straight
    line would pass where no latent of the training lies (Shoemake 1985; White, Sampling Generative Networks, 2016)."""
    a, b = start - center, end - center
    angle = torch.arccos((a @ b / (a.norm() * b.norm()).clamp(min=1e-9)).clamp(-1, 1))
    if angle < 1e-3:
        return torch.lerp(start, end, share)
    return center + (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)


@torch.inference_mode()
def walk(model: ImageModel, stops: list[tuple[Tensor, Tensor]], steps: int) -> Iterator[Tensor]:
    """A round through `stops`, each a latent (D,) and conditions (C,), of `steps` pictures each: (3, S, S) in [-1, 1].

    Between two stops latent and embedded conditions change together, slowly at either end."""
    embedded = [model.embed(labels[None])[0] for _, labels in stops]
    for i, (latent, _) in enumerate(stops):
        j = (i + 1) % len(stops)
        for step in range(steps):
            share = step / steps
            share = share * share * (3 - 2 * share)
            mixed = torch.lerp(embedded[i], embedded[j], share)
            yield model.decode(slerp(latent, stops[j][0], share, model.center)[None], mixed[None])[0]


@torch.inference_mode()
def family_inputs(
    model: ImageModel, shown: list[dict[str, Tensor]], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The one latent of the forms of a line, (1, D), and their embedded conditions (N, E), which share what is sampled.

    Args:
        shown: the conditions of each form, values int64 (1,); the last form's decide what is sampled.
    """
    labels, latent = model.sample_inputs(1, shown[-1], generator)
    embedded = model.embed(torch.cat([_override(model, labels, each) for each in shown]))
    mean = embedded.mean(dim=0)
    return latent, mean + _GROWTH * (embedded - mean)


@torch.inference_mode()
def family(model: ImageModel, shown: list[dict[str, Tensor]], generator: torch.Generator) -> Tensor:
    """The forms of a line, images (N, 3, S, S) in [-1, 1], of `family_inputs`."""
    latent, embedded = family_inputs(model, shown, generator)
    return model.decode(latent.expand(len(shown), -1), embedded)


@torch.inference_mode()
def earlier(
    model: ImageModel, shown: dict[str, Tensor], before: dict[str, Tensor], generator: torch.Generator
) -> Tensor:
    """The form before a creature, an image (1, 3, S, S) in [-1, 1]: the latent of what `model.sample(1, shown,
    generator)` draws, under the conditions `before`."""
    labels, latent = model.sample_inputs(1, shown, generator)
    now, then = (model.embed(_override(model, labels, each)) for each in (shown, before))
    return model.decode(latent, now + _GROWTH * (then - now))


def _override(model: ImageModel, labels: Tensor, condition: dict[str, Tensor]) -> Tensor:
    """Conditions (1, C) with the given values, int64 (1,) each, where the model supports them."""
    columns = [condition.get(key, labels[:, i]) for i, key in enumerate(model.conditions)]
    return torch.stack(columns, dim=1) if columns else labels


def neighbours(model: ImageModel, latent: Tensor, steps: int, generator: torch.Generator, reach: float = 0.5) -> Tensor:
    """A round from a latent (1, D) through others near it: (steps, D), the first of which is the latent itself.

    `reach` is the strength of `variations` at the farthest point; the variation turns a full circle on the way."""
    center = model.center
    one, other = model.latents(2, generator) - center
    turn = torch.linspace(0, 2 * torch.pi, steps + 1)[:-1, None]  # (steps, 1)
    strength = reach * torch.sin(turn / 2)
    fresh = torch.cos(turn) * one + torch.sin(turn) * other
    return center + (1 - strength**2).sqrt() * (latent - center) + strength * fresh


def invert(
    model: ImageModel,
    image: Tensor,
    generator: torch.Generator,
    track: Callable[..., Iterable[Any]] = lambda items, **_: items,
) -> tuple[Tensor, Tensor]:
    """The latent (1, D) and conditions (1, C) with which the model draws an image (1, 3, S, S) in [-1, 1] best.

    Conditions are the best of many that are drawn as the training data has them. A model with an encoder uses it; of
    another the latent is searched, by gradient descent from the best of many, whose steps go through `track`."""
    if model.encodes:
        return _by_encoder(model, image, generator)
    return _by_descent(model, image, generator, track)


@torch.inference_mode()
def _by_encoder(model: Any, image: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    labels = model.sample_conditions(TRIES if model.conditions else 1, None, generator)
    embedded = model.embed(labels)
    latent, _ = model.encode(image.expand(len(labels), -1, -1, -1), embedded)
    best = _error(model.render(latent, embedded), image).argmin()
    return latent[best][None], labels[best][None]


def _by_descent(
    model: ImageModel, image: Tensor, generator: torch.Generator, track: Callable[..., Iterable[Any]]
) -> tuple[Tensor, Tensor]:
    labels, latent = model.sample_conditions(4 * TRIES, None, generator), model.latents(4 * TRIES, generator)
    with torch.no_grad():
        error = torch.cat(
            [
                _error(model.render(z, model.embed(r)), image)
                for z, r in zip(latent.split(32), labels.split(32), strict=True)
            ]
        )
    best = error.argsort()[:2]
    latent, labels = latent[best].clone().requires_grad_(), labels[best]
    with torch.no_grad():
        embedded = model.embed(labels)
    optimizer = torch.optim.Adam([latent], lr=0.08)
    for _ in track(range(STEPS), total=STEPS):
        error = _error(model.render(latent, embedded), image)
        # A latent of the training has a square of about D; far from that the model draws nothing that it learned.
        (error + 0.1 * (latent.square().mean(dim=1) - 1).square()).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    choice = error.argmin()
    return latent.detach()[choice][None], labels[choice][None]


def _error(drawn: Tensor, image: Tensor) -> Tensor:
    """How far pictures (N, 3, S, S) are from one: of the pixels and, so that the shape counts before the place of each
    line, of coarser and coarser averages: (N,)."""
    total, difference = torch.zeros(len(drawn)), drawn.float() - image
    for factor in (1, 4, min(16, image.shape[-1])):
        coarse = torch.nn.functional.avg_pool2d(difference, factor)
        total = total + coarse.abs().mean(dim=(1, 2, 3))
    return total


def override_conditions(
    model: ImageModel, labels: Tensor, requested: dict[str, Tensor], n: int, generator: torch.Generator
) -> Tensor:
    """`n` times the conditions `labels` (1, C) with the `requested` values, int64 (n, C). With a new type, colour and
    second type are sampled again. If the requested second type was the first, the first is sampled again."""
    free = {follower for key in requested for follower in _FOLLOWS.get(key, ())}
    kept = {key: labels[:, i].expand(n) for i, key in enumerate(model.conditions) if key not in free}
    if "type2" in requested and "type1" in kept:
        kept["type1"] = kept["type1"].masked_fill(kept["type1"] == requested["type2"], -1)
    return model.sample_conditions(n, kept | requested, generator)


@torch.inference_mode()
def variations(
    model: ImageModel, latent: Tensor, labels: Tensor, strength: float, generator: torch.Generator
) -> Tensor:
    """Relatives of a latent (1, D) under each of conditions (n, C): images (n, 3, S, S) in [-1, 1]. `strength` 0
    repeats it, 1 forgets it; between, the latents spread as those of new images do."""
    center, fresh = model.center, model.latents(len(labels), generator)
    mixed = center + (1 - strength**2) ** 0.5 * (latent - center) + strength * (fresh - center)
    return model.decode(mixed, model.embed(labels))
