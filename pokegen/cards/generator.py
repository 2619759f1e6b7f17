"""The Generator composes four models into a whole Pokémon: `reader` infers attributes from a given name, `stats`
samples the attributes that the request leaves open, `names` samples a name that fits them, and a sprite model draws the
picture. `cards/assembly.py` derives the rest of the card.

Each role has a stream of random numbers that is derived from the card's seed. Card i of a request with seed S is
therefore exactly the card of seed S + i alone, and another sprite model leaves stats and name as they are. The price:
cards are sampled one at a time, and two cards of a request may, rarely, share a name. The bulk methods (`sprites`,
`stats`, `names`) sample in batches from one seed instead, and `names` repeats none.

A line (`evolutions`) starts from its first form: `cards/evolution.py` grows the others, their names share a root, and
their pictures share a latent.
"""

import inspect
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

from pokegen import schema
from pokegen.cards import evolution
from pokegen.cards import latent as latent_space
from pokegen.cards.assembly import assemble
from pokegen.cards.reading import fitting, read_types
from pokegen.cards.request import DEFAULT_MODEL, Request
from pokegen.cards.seeds import derived_seed, stream
from pokegen.errors import CheckpointError, UserError
from pokegen.images import to_size
from pokegen.models.condition import CONDITIONS
from pokegen.models.image import ImageModel
from pokegen.models.pixels import to_pixels
from pokegen.schema import COLORS, NO_TYPE, STAT_LABELS, STATS, TIERS, TYPES, Card
from pokegen.text import plain

if TYPE_CHECKING:
    import pandas

ROLES = ("sprites", "stats", "names", "reader")
_CANDIDATES = 4  # for a name of requested types
_TRIES = 64  # sampled rows, of which one is chosen that fits the name or has a second type
NAME_BATCH = 1000  # names in a forward pass
SPRITE_BATCH = 32  # sprites in a forward pass. A batch shares one stream: other sizes change the samples of a seed


class Generator:
    """Creates cards, sprites, stats and names from models. Each model except the reader needs only `.sample`.

    Args:
        sprites: `sample(n, condition, generator)` → float32 (n, 3, S, S) in [-1, 1]; cards show them at 128×128. The
            methods that use the latent space (`vary_condition`, `walk`, `reimagine`) need a `models.image.ImageModel`.
        stats: `sample(n, condition, generator)` → one column of n values for each of `type1`, `type2`, the six stats,
            `height_m`, `weight_kg`, `color`, `legendary`, `stage`, and for `stats` `tier` and `line`; vocabularies as
            indices of the schema.
        names: `sample(n, condition, generator, prefix=…, avoid=…, temperature=…)` → n strings.
        labels: role to "name version", written on each card.
        reader: a `models.reader.Reader`; without it a given name does not influence the card.

    A method raises UserError if it needs a model that is None; `sprites` needs only the sprite model.
    """

    def __init__(
        self,
        sprites: Any = None,
        stats: Any = None,
        names: Any = None,
        labels: Mapping[str, str] | None = None,
        reader: Any = None,
    ):
        self._models = {"sprites": sprites, "stats": stats, "names": names, "reader": reader}
        self.labels = {role: (labels or {}).get(role, "unnamed") for role in ROLES}

    @classmethod
    def from_zoo(cls, model: str = DEFAULT_MODEL, roles: tuple[str, ...] = ROLES) -> Self:
        """Load the shipped `stats`, `names` and `reader` and the sprite model `model`: a zoo name, a checkpoint folder,
        or hf:owner/name of the Hugging Face hub.

        `roles` limits what is loaded. Raises CheckpointError for a checkpoint that is missing, incomplete or altered.
        """
        from pokegen import zoo

        loaded = {role: zoo.load(model if role == "sprites" else role) for role in roles}
        for role, checkpoint in loaded.items():
            if role != "reader" and not hasattr(checkpoint.model, "sample"):
                raise CheckpointError(f"{checkpoint.name} creates nothing: it scores what others create.")
        labels = {role: checkpoint.label for role, checkpoint in loaded.items()}
        return cls(**{role: checkpoint.model for role, checkpoint in loaded.items()}, labels=labels)

    def card(
        self,
        type1: str | None = None,
        type2: str | None = None,
        name: str | None = None,
        legendary: bool | None = None,
        stage: int | None = None,
        color: str | None = None,
        shiny: bool | None = None,
        style: str | None = None,
        tier: str | None = None,
        seed: int = 0,
    ) -> Card:
        """One creature. Anything that is None is sampled; `type2="none"` requests a single type. The same arguments
        give the same card."""
        return next(self.cards(Request(type1, type2, name, legendary, stage, color, shiny, style, tier, seed=seed)))

    def line(self, evolutions: int = 3, seed: int = 0, **requested: Any) -> list[Card]:
        """The evolution line of one creature: the cards of its 2 or 3 forms. `requested` holds for each form: type1,
        type2, legendary, color, shiny, style, tier; `name` is the last form's."""
        return list(self.cards(Request(evolutions=evolutions, seed=seed, **requested)))

    def cards(self, request: Request) -> Iterator[Card]:
        """Yields the creatures of a request, or the forms of its lines. Creature or line i is that of seed
        `request.seed + i`."""
        self.check(request)
        for i in range(request.count):
            with _one_thread():
                cards = self._line(request, request.seed + i)
            yield from cards

    def _line(self, request: Request, seed: int) -> list[Card]:
        """The creature of a seed, or each form of its line."""
        condition = _condition(request, 1)
        of_picture: dict[str, Tensor] = {key: condition.pop(key) for key in ("shiny", "style") if key in condition}
        forms = self._forms(request, condition, seed)
        names = self._names(forms, request.name, seed)
        before = self._before(forms, names, seed)
        models = {role: label for role, label in self.labels.items() if self._models[role] is not None}
        cards = assemble(forms, names, before, seed, models)
        for card, (picture, earlier) in zip(cards, self._pictures(forms, of_picture, seed), strict=True):
            card.image, card.earlier = picture, earlier
        return cards

    def _forms(self, request: Request, condition: dict[str, Tensor], seed: int) -> list[evolution.Form]:
        """The attributes of the creature, or of each form of its line."""
        condition = condition | {key: torch.tensor([value]) for key, value in _of_rows(request).items()}
        if not request.evolutions:
            return [self._row(request, condition, seed)]
        # Few legendaries evolve: only where the request says so.
        usual = {} if request.tier else {"legendary": torch.zeros(1, dtype=torch.long)}
        condition = usual | condition | {"stage": torch.ones(1, dtype=torch.long)}
        first = self._row(request, condition, seed)
        rng = random.Random(derived_seed(seed, "line"))
        return evolution.grow(first, request.evolutions, lambda: self._second_type(first, condition, seed), rng)

    def _before(self, forms: list[evolution.Form], names: list[str], seed: int) -> str | None:
        """The name of the form before the first of `forms`, if that is no first stage."""
        if forms[0]["stage"] == 1:
            return None
        return self._relative(names[0], forms[0] | {"stage": forms[0]["stage"] - 1}, names, seed)

    def _row(self, request: Request, condition: dict[str, Tensor], seed: int) -> evolution.Form:
        """The attributes of one creature: requested, inferred from its name, or sampled."""
        model, reader, generator = self._model("stats"), self._models["reader"], stream(seed, "stats")
        letters = plain(request.name or "") if reader else ""
        tries = _TRIES if letters or request.evolutions else 1
        chance = stream(seed, "reader")
        if letters:
            codes, numbers = reader.read(letters)
            condition = condition | read_types(codes["type1"] / reader.usual("type1"), condition, chance)
        columns = model.sample(tries, condition={k: v.expand(tries) for k, v in condition.items()}, generator=generator)
        weights = fitting(reader, codes, numbers, columns) if letters else torch.ones(tries)
        if request.evolutions:  # no first form stronger than those of real lines, which it grows like
            total = torch.stack([columns[key] for key in STATS]).sum(dim=0)
            weights = weights * ((total <= evolution.strongest(request.evolutions)) | (columns["legendary"] == 1))
            weights = weights if weights.sum() > 0 else (total == total.min()).float()
        best = torch.multinomial(weights, 1, generator=chance)
        return {key: column[best].item() for key, column in columns.items()}

    def _second_type(self, form: evolution.Form, condition: dict[str, Tensor], seed: int) -> int:
        """The type that a form with one type gains; none if the request fixes the second type."""
        if "type2" in condition:
            return form["type2"]
        condition = {key: torch.full((_TRIES,), form[key]) for key in ("type1", "legendary", "color")}
        drawn = self._model("stats").sample(_TRIES, condition=condition, generator=stream(seed, "second type"))
        return next((kind for kind in drawn["type2"].tolist() if kind != NO_TYPE), NO_TYPE)

    def _names(self, forms: list[evolution.Form], name: str | None, seed: int) -> list[str]:
        """A name for each form, from one root; a given name is the last form's."""
        if name is None:
            names = self._new_names(1, _drawn(forms[0]), stream(seed, "names"))
            for form in forms[1:]:
                names.append(self._relative(names[0], form, names, seed))
            return names
        names = [name]
        for form in forms[:-1]:
            names.insert(-1, self._relative(name, form, names, seed))
        return names

    def _new_names(self, n: int, condition: dict[str, Tensor], generator: torch.Generator, **options: Any) -> list[str]:
        """`n` names. With types and a reader, each is the candidate in which the reader finds the types likeliest."""
        model, reader = self._model("names"), self._models["reader"]
        types = [condition[key] for key in ("type1", "type2") if key in condition]
        if reader is None or not types:
            return model.sample(n, condition=condition, generator=generator, **options)
        many = {key: values.repeat_interleave(_CANDIDATES) for key, values in condition.items()}
        state = generator.get_state()
        try:
            names = model.sample(n * _CANDIDATES, condition=many, generator=generator, **options)
        except UserError:  # there are not so many names with this prefix
            return model.sample(n, condition=condition, generator=generator.set_state(state), **options)
        with torch.inference_mode():
            likely = reader([plain(name) for name in names])[0]["type1"].softmax(dim=1) / reader.usual("type1")
        alone = torch.cat(
            [likely, torch.zeros(len(likely), 1)], dim=1
        )  # a name says nothing about having no second type
        read = [alone[torch.arange(len(names)), kinds.repeat_interleave(_CANDIDATES)] for kinds in types]
        best = torch.stack(read).sum(dim=0).view(n, _CANDIDATES).argmax(dim=1) + torch.arange(n) * _CANDIDATES
        return [names[i] for i in best.tolist()]

    def _relative(self, name: str, form: evolution.Form, avoid: list[str], seed: int) -> str:
        """The name of another form of the line, from the same root, as in Charmander and Charmeleon."""
        rng = random.Random(derived_seed(seed, "root"))
        start = evolution.root(name, rng)
        for letters in range(len(start), evolution.ROOT - 1, -1):
            try:
                return self._model("names").sample(
                    1,
                    condition=_drawn(form),
                    generator=stream(seed, f"stage {form['stage']}"),
                    prefix=start[:letters],
                    avoid=avoid,
                )[0]
            except UserError:  # no readable name has this prefix
                continue
        made_up = (f"{start}{ending}".capitalize() for ending in ("ling", "kin", "let"))
        return next(other for other in made_up if other not in avoid and not name.lower().endswith(other[-3:]))

    def _pictures(
        self, forms: list[evolution.Form], of_picture: Mapping[str, Tensor], seed: int
    ) -> list[tuple[np.ndarray, np.ndarray | None]]:
        """A sprite of each form, and of the form before it if there is one: uint8 (128, 128, 3). The sprites of a line
        share a latent if the model has one."""
        model = self._model("sprites")
        shown = [_shown(_drawn(form), of_picture) for form in forms]
        earlier = self._earlier(shown[0], seed)
        if len(forms) > 1 and isinstance(model, ImageModel):
            sprites = list(to_pixels(latent_space.family(model, shown, stream(seed, "sprites"))))
        else:
            drawn = (model.sample(1, condition=each, generator=stream(seed, "sprites")) for each in shown)
            sprites = [to_pixels(image)[0] for image in drawn]
        pictures = [to_size(sprite) for sprite in sprites]
        return list(zip(pictures, [earlier, *pictures[:-1]], strict=True))

    def _earlier(self, shown: dict[str, Tensor], seed: int) -> np.ndarray | None:
        """A sprite of the form before a creature: None at stage 1, and of a model whose sprites have no stage."""
        model = self._model("sprites")
        if int(shown["stage"]) == 1 or "stage" not in getattr(model, "conditions", shown):
            return None
        before = shown | {"stage": shown["stage"] - 1}
        if isinstance(model, ImageModel):
            image = latent_space.earlier(model, shown, before, stream(seed, "sprites"))
        else:
            image = model.sample(1, condition=before, generator=stream(seed, "sprites"))
        return to_size(to_pixels(image)[0])

    def neighbours(self, cards: Sequence[Card], request: Request, steps: int = 24) -> Iterator[list[np.ndarray]]:
        """From each creature through others near it in the latent space and back: for each card, `steps` pictures,
        uint8 (128, 128, 3), the first of which is the card's own.

        Args:
            cards: of `cards(request)`, whole lines where those were ordered.
            request: the order that they were created by.
            steps: pictures of each card.
        """
        model, asked = self._walkable(), _condition(request, 1)
        of_picture: dict[str, Tensor] = {key: asked[key] for key in ("shiny", "style") if key in asked}
        for _, line in groupby(cards, key=lambda card: card.seed):
            forms = list(line)
            shown, seed = [_shown(_of_card(card), of_picture) for card in forms], forms[0].seed
            latent, embedded = latent_space.family_inputs(model, shown, stream(seed, "sprites"))
            near = latent_space.neighbours(model, latent, steps, stream(seed, "neighbours"))
            with _one_thread(), torch.inference_mode():  # all forms at once, as the cards' own pictures were made
                pictures = [to_pixels(model.decode(place.expand(len(forms), -1), embedded)) for place in near]
            for form in range(len(forms)):
                yield [to_size(sprites[form]) for sprites in pictures]

    def check_latents(self) -> None:
        """UserError where the sprite model has no latent space, as `neighbours`, `walk` and `reimagine` need."""
        self._walkable()

    @property
    def size(self) -> int:
        """Pixels a side of the sprite model's pictures."""
        return self._walkable().size

    def sprites(
        self,
        n: int,
        type1: str | None = None,
        type2: str | None = None,
        seed: int = 0,
        truncation: float | None = None,
        **requested: Any,
    ) -> np.ndarray:
        """`n` sprites on white, uint8 RGB (n, S, S, 3). S is the model's own size, 128 for every shipped model.
        `truncation` below 1: safer and less varied; `requested`: color, legendary, stage, shiny, style, see Request."""
        request = Request(type1, type2, count=n, seed=seed, **requested)
        return np.concatenate(list(self.sprite_batches(request, truncation)))

    def sprite_batches(self, request: Request, truncation: float | None = None) -> Iterator[np.ndarray]:
        """Yields the sprites of a request, uint8 (up to 32, S, S, 3) at a time."""
        model = self._model("sprites")
        self._check(request)
        options = {}
        if truncation is not None:
            options["truncation"] = _checked(truncation)
            if "truncation" not in inspect.signature(model.sample).parameters:
                raise UserError(f"The model {self.labels['sprites']!r} knows no truncation; leave it out.")

        def draw() -> Iterator[np.ndarray]:
            generator = stream(request.seed, "sprites")
            for start in range(0, request.count, SPRITE_BATCH):
                size = min(SPRITE_BATCH, request.count - start)
                with _one_thread():
                    images = model.sample(size, condition=_condition(request, size), generator=generator, **options)
                yield to_pixels(images)

        return draw()  # a function of its own, so that a mistake is raised at the call and not at the first batch

    def vary_condition(
        self, key: str, request: Request, truncation: float | None = None
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Yields the same `request.count` creatures under each value of condition `key` that the model knows, such as
        the 18 of `type1`: the value's word, and uint8 (count, S, S, 3). A new type also changes the colour and the
        second type, unless they are requested."""
        model = self._walkable()
        self._check(request)
        if key not in model.conditions:
            raise UserError(f"The model {self.labels['sprites']!r} draws without {key}. Choose another model.")
        if request.count > SPRITE_BATCH:
            raise UserError(f"At most {SPRITE_BATCH} creatures fit in a row, got count {request.count}.")
        if getattr(request, key) is not None:
            raise UserError(f"All values of {key} are drawn, and the request fixes one: leave one of the two out.")
        condition, generator = _condition(request, request.count), stream(request.seed, "sprites")
        share = 1.0 if truncation is None else _checked(truncation)
        rows, latent = model.sample_inputs(request.count, condition, generator, share)

        def draw() -> Iterator[tuple[str, np.ndarray]]:
            for value, changed in latent_space.vary_condition(model, rows, key, condition, generator):
                with _one_thread(), torch.inference_mode():
                    sprites = to_pixels(model.decode(latent, model.embed(changed)))
                yield schema.CONDITIONS[key][value], sprites

        return draw()

    def walk(self, request: Request, steps: int = 12, types: bool = False) -> Iterator[np.ndarray]:
        """Yields a closed walk through the creatures of seeds S, S + 1, …, `count` of them, or with `types` of one
        creature through all 18 types: pictures uint8 (S, S, 3), `steps` from each creature to the next."""
        model = self._walkable()
        self._check(request)
        if not 1 <= steps <= 1000:
            raise UserError(f"steps must be from 1 to 1000, got {steps}.")
        if request.count < 2 and not types:
            raise UserError("A walk goes through two creatures or more, got count 1.")
        if types and request.type1 is not None:
            raise UserError("A walk through all types has no one type: leave one of the two out.")
        if types and "type1" not in model.conditions:
            raise UserError(f"The model {self.labels['sprites']!r} draws without types. Choose another model.")
        stops = []
        for seed in range(request.seed, request.seed + (1 if types else request.count)):
            condition, generator = _condition(request, 1), stream(seed, "sprites")
            rows, latent = model.sample_inputs(1, condition, generator)
            changed = latent_space.vary_condition(model, rows, "type1", condition, generator) if types else [(0, rows)]
            stops += [(latent[0], new[0]) for _, new in changed]

        def draw() -> Iterator[np.ndarray]:
            frames = latent_space.walk(model, stops, steps)
            while True:
                with _one_thread():
                    frame = next(frames, None)
                if frame is None:
                    return
                yield to_pixels(frame[None])[0]

        return draw()

    def reimagine(
        self,
        picture: np.ndarray,
        request: Request,
        strength: float = 0.4,
        track: Callable[..., Iterable[Any]] = lambda items, **_: items,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The model's reconstruction of a picture, uint8 RGB (S, S, 3) on white with the model's own S, and
        `request.count` variations of it, (count, S, S, 3). `strength` 0 repeats the picture, 1 ignores it. The
        variations have the requested conditions, such as another type. `track` wraps the steps of a search (a progress
        bar)."""
        model = self._walkable()
        self._check(request)
        if not 0 <= strength <= 1:
            raise UserError(f"strength must be from 0 to 1, got {strength:g}.")
        if picture.shape != (model.size, model.size, 3):
            raise UserError(f"The model draws {model.size}×{model.size}, got a picture of shape {picture.shape}.")
        image = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 127.5 - 1
        if model.channels == 1:
            image = image.mean(dim=1, keepdim=True)
        generator = stream(request.seed, "sprites")
        with _one_thread():
            latent, rows = latent_space.invert(model, image, generator, track)
            redrawn = latent_space.variations(model, latent, rows, 0.0, generator)
            condition = _condition(request, request.count)
            rows = latent_space.override_conditions(model, rows, condition, request.count, generator)
            varied = [
                to_pixels(latent_space.variations(model, latent, part, strength, generator))
                for part in rows.split(SPRITE_BATCH)
            ]
        return to_pixels(redrawn)[0], np.concatenate(varied)

    def stats(
        self,
        n: int,
        type1: str | None = None,
        type2: str | None = None,
        legendary: bool | None = None,
        stage: int | None = None,
        color: str | None = None,
        tier: str | None = None,
        line: int | None = None,
        seed: int = 0,
    ) -> "pandas.DataFrame":
        """`n` rows with the table's columns from Type1 to Weight (kg), then Stage, Tier, and Line (how many forms the
        evolution line has). Stats are from 1 to 255, sizes in metres and kilograms."""
        import pandas

        request = Request(
            type1, type2, legendary=legendary, stage=stage, color=color, tier=tier, line=line, count=n, seed=seed
        )
        condition = _condition(request, n) | {key: torch.full((n,), v) for key, v in _of_rows(request).items()}
        with _one_thread():
            drawn = self._model("stats").sample(n, condition=condition, generator=stream(seed, "stats"))
        column = {key: np.asarray(values) for key, values in drawn.items()}
        table: dict[str, Any] = {
            "Type1": np.array(TYPES)[column["type1"]],
            "Type2": np.array([*TYPES, ""])[column["type2"]],
            "Total": sum(column[key].astype(int) for key in STATS),
        }
        table |= {label: column[key].astype(int) for key, label in zip(STATS, STAT_LABELS, strict=True)}
        table["Legendary"] = column["legendary"].astype(bool)
        table["Color"] = np.array(COLORS)[column["color"]]
        # Through float64: 0.7 as float32 would be written 0.699999988
        table["Height (m)"] = np.maximum(0.1, column["height_m"].astype(float).round(1))
        table["Weight (kg)"] = np.maximum(0.1, column["weight_kg"].astype(float).round(1))
        table["Stage"] = column["stage"].astype(int)
        table["Tier"] = np.array(TIERS)[column["tier"]]
        table["Line"] = column["line"].astype(int)
        return pandas.DataFrame(table)

    def names(
        self,
        n: int,
        type1: str | None = None,
        type2: str | None = None,
        legendary: bool | None = None,
        stage: int | None = None,
        prefix: str = "",
        temperature: float = 1.0,
        seed: int = 0,
    ) -> list[str]:
        """`n` different names. A lower `temperature` gives more typical ones; each begins with `prefix`."""
        options: dict[str, Any] = {"prefix": prefix, "temperature": temperature}
        request = Request(type1, type2, legendary=legendary, stage=stage, count=n, seed=seed)
        return [name for batch in self.name_batches(request, **options) for name in batch]

    def name_batches(self, request: Request, **options: Any) -> Iterator[list[str]]:
        """Yields the names of a request, all different, up to 1,000 at a time. `options`: prefix, temperature."""
        generator, taken = stream(request.seed, "names"), set[str]()
        for start in range(0, request.count, NAME_BATCH):
            size = min(NAME_BATCH, request.count - start)
            with _one_thread():
                more = options | ({"taken": taken} if taken else {})
                names = self._new_names(size, _condition(request, size), generator, **more)
            taken.update(names)
            yield names

    def ignored(self, request: Request) -> list[str]:
        """The requested conditions that the sprite model does not support."""
        condition = _condition(request, 1)
        supported = getattr(self._model("sprites"), "conditions", condition)
        return [key for key in condition if key not in supported]

    def _check(self, request: Request) -> None:
        if ignored := self.ignored(request):
            raise UserError(
                f"The model {self.labels['sprites']!r} draws without {', '.join(ignored)}. "
                "Leave that out, or choose another model."
            )
        self.check(request)

    def check(self, request: Request) -> None:
        """Raises UserError if a supported condition has a value that was not in the sprite model's training data."""
        if isinstance(model := self._model("sprites"), ImageModel):
            for key, (value, *_) in _condition(request, 1).items():
                if key in model.conditions and int(value) not in (known := model.prior.known(key)):
                    words = schema.CONDITIONS[key]
                    raise UserError(
                        f"The model {self.labels['sprites']!r} has seen no sprite of {key} {words[int(value)]!r}. "
                        f"It knows: {', '.join(words[i] for i in known)}."
                    )

    def _walkable(self) -> ImageModel:
        model = self._model("sprites")
        if not isinstance(model, ImageModel):
            raise UserError(f"The model {self.labels['sprites']!r} has no latent space to walk through.")
        return model

    def _model(self, role: str) -> Any:
        if self._models[role] is None:
            raise UserError(f"This Generator has no {role} model. Give it one, or load it with Generator.from_zoo().")
        return self._models[role]


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread adds in one order, so that a seed gives the same bytes on any number of cores. A single creature is
    too little work to share: threads made it ten times slower on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _condition(request: Request, n: int) -> dict[str, Tensor]:
    """The request as the models read it: indices (n,). A key that is missing is sampled."""
    condition = {
        key: schema.CONDITIONS[key].index(value) if isinstance(value, str) else int(value)
        for key in CONDITIONS
        if (value := getattr(request, key)) is not None
    }
    return {key: torch.full((n,), value) for key, value in condition.items()}


def _of_rows(request: Request) -> dict[str, int]:
    """The part of a request that only the stats model supports."""
    tier = {} if request.tier is None else {"tier": TIERS.index(request.tier)}
    return tier | ({} if request.line is None else {"line": request.line})


def _drawn(form: evolution.Form) -> dict[str, Tensor]:
    """A row as a condition of names and sprites."""
    return {key: torch.tensor([int(form[key])]) for key in ("type1", "type2", "color", "legendary", "stage")}


def _of_card(card: Card) -> dict[str, Tensor]:
    """The same, of a card."""
    kinds = [TYPES.index(kind) for kind in card.types]
    form = {"type1": kinds[0], "type2": kinds[1] if kinds[1:] else NO_TYPE, "color": COLORS.index(card.color)}
    return _drawn(form | {"legendary": card.legendary, "stage": card.stage})


def _shown(form: dict[str, Tensor], of_picture: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The condition of a card's sprite: no shiny unless requested, since its colours would contradict the card's."""
    return {**form, "shiny": torch.zeros(1, dtype=torch.long), **of_picture}


def _checked(truncation: float) -> float:
    if not 0 < truncation <= 2:
        raise UserError(f"truncation must be above 0 and at most 2, got {truncation:g}.")
    return truncation
