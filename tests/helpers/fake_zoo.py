"""Three models that keep the zoo's promise of `sample` and know nothing: quick stand-ins for tests."""

from types import SimpleNamespace

import torch

from pokegen.schema import NO_TYPE, SPRITE_SIZE, STATS, TYPES

LABELS = {"sprites": "blob 0.1", "stats": "dice 0.2", "names": "syllables 0.3"}


class Blob:
    """A ball whose shade is its first type, in a size of its own, on white."""

    def sample(self, n, condition=None, generator=None, truncation=1.0):
        kind = (condition or {}).get("type1", torch.full((n,), 3))
        shade = kind.view(n, 1, 1, 1) / len(TYPES)
        radius = 0.3 + 0.5 * truncation * torch.rand(n, 1, 1, 1, generator=generator)
        axis = torch.linspace(-1, 1, SPRITE_SIZE)
        inside = (axis[:, None] ** 2 + axis**2).sqrt()[None, None] < radius  # (n, 1, 128, 128)
        return torch.where(inside, shade * 2 - 1, torch.ones(())).expand(n, 3, -1, -1)


class Dice:
    """Attributes at random; what is asked comes back."""

    def sample(self, n, condition=None, generator=None):
        def draw(low, high):
            return torch.randint(low, high, (n,), generator=generator)

        columns = {"type1": draw(0, NO_TYPE), "color": draw(0, 10), "legendary": draw(0, 2), "stage": draw(1, 4)}
        columns["type2"] = (columns["type1"] + draw(1, NO_TYPE)) % NO_TYPE
        columns |= {"tier": draw(0, 3), "line": torch.full((n,), 3)}
        columns |= {key: draw(1, 256) for key in STATS}
        columns |= {"height_m": draw(1, 200) / 10, "weight_kg": draw(1, 9999) / 10}
        columns |= condition or {}
        # A drawn type makes way for one that was asked.
        for free, asked in (("type2", "type1"), ("type1", "type2")):
            if free not in (condition or {}):
                same = columns[free] == columns[asked]
                columns[free] = torch.where(same, (columns[free] + 1) % NO_TYPE, columns[free])
        return columns


class Syllables:
    """Three syllables, the first of which is the prefix if there is one."""

    def sample(self, n, condition=None, generator=None, prefix="", avoid=(), temperature=1.0):
        names: list[str] = []
        while len(names) < n:
            picks = torch.randint(0, 5, (6,), generator=generator).tolist()
            tail = "".join("bklmr"[a] + "aeiou"[b] for a, b in zip(picks[::2], picks[1::2], strict=True))
            name = f"{prefix}{tail}".capitalize()
            if name not in names and name not in avoid:
                names.append(name)
        return names


def load(name):
    """What `pokegen.zoo.load` promises: `stats`, `names`, any sprite model; no `reader`, so that nothing is read."""
    if name == "reader":
        return SimpleNamespace(model=None, name=name, label="none")
    role = name if name in ("stats", "names") else "sprites"
    model = {"sprites": Blob, "stats": Dice, "names": Syllables}[role]()
    return SimpleNamespace(model=model, name=name, label=LABELS[role])
