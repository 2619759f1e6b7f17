"""Reads a name: how likely each type, colour and stage is, and the expected stats and size of such a Pokémon.

A bag of letter n-grams, hashed as in fastText (Bojanowski et al., Enriching Word Vectors with Subword Information, TACL
2017), so that `pyrodrake` contains both `pyro` and `drake`, then a small network with a head for each column.

Left out: legendary, which names did not predict in validation; the order of the n-grams; scripts other than Latin.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pokegen.errors import UserError
from pokegen.models.network import Network
from pokegen.schema import CATEGORIES, NUMBERS, READ

# Column → number of values.
CODES = {key: len(CATEGORIES[key]) for key in READ}
MEANING = ("type1", "color")  # the columns that the meaning of words predicts
RUNS = range(2, 7)  # letters of an n-gram; `^` and `$` mark the beginning and end of a name and count as letters


class Reader(Network):
    """Name → distribution over columns.

    Args:
        buckets: rows of the table into which n-grams are hashed.
        width: channels of an n-gram.
        hidden: channels of the layer after their sum.
        dropout: rate in [0, 1), for channels and, in training, for n-grams.
    """

    base: Tensor
    center: Tensor
    spread: Tensor

    def __init__(self, buckets: int = 2**16, width: int = 64, hidden: int = 128, dropout: float = 0.3):
        super().__init__()
        self.buckets, self.dropout = buckets, dropout
        self.runs = nn.EmbeddingBag(buckets, width, mode="sum")
        nn.init.normal_(self.runs.weight, std=0.02)
        self.trunk = nn.Sequential(
            nn.LayerNorm(width), nn.Dropout(dropout), nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout)
        )
        self.meaning = nn.Linear(hidden, sum(CODES[key] for key in MEANING))
        self.others = nn.Linear(hidden, sum(CODES.values()) - self.meaning.out_features + len(NUMBERS))
        # Frequency of each value of `CODES`, and mean and deviation of the logarithms of `NUMBERS`.
        shares = [1 / size for size in CODES.values() for _ in range(size)]
        self.register_buffer("base", torch.tensor(shares))
        self.register_buffer("center", torch.zeros(len(NUMBERS)))
        self.register_buffer("spread", torch.ones(len(NUMBERS)))

    def prepare(self, datamodule: Any) -> None:
        """Compute the base rates from the real training names, `datamodule.columns["train"]`."""
        columns = datamodule.columns["train"]
        self.base.copy_(torch.cat([columns[key].mean(dim=0) for key in CODES]))
        self.center.copy_(columns["numbers"].mean(dim=0))
        self.spread.copy_(columns["numbers"].std(dim=0))

    def forward(self, names: Sequence[str]) -> tuple[dict[str, Tensor], Tensor]:
        """Logits (N, values) of each of `CODES`, and `NUMBERS` (N, 8) as standardised logarithms."""
        rows: list[int] = []
        starts: list[int] = []
        for name in names:
            starts.append(len(rows))
            rows += self._hash(name)
        found = torch.tensor(rows)
        weights = torch.ones(len(rows))
        if self.training:
            weights = F.dropout(weights, self.dropout)
        device = self.runs.weight.device
        x = self.runs(found.to(device), torch.tensor(starts, device=device), per_sample_weights=weights.to(device))
        x = self.trunk(x)
        # Heads that learn only from real names use the trunk's features without training it: otherwise they overfitted.
        x = torch.cat([self.meaning(x), self.others(x.detach())], dim=1)
        *codes, numbers = x.split([*CODES.values(), len(NUMBERS)], dim=1)
        return dict(zip(CODES, codes, strict=True)), numbers

    def _hash(self, name: str) -> list[int]:
        framed = f"^{name}$"
        return [
            zlib.crc32(framed[i : i + size].encode()) % self.buckets
            for size in RUNS
            for i in range(len(framed) - size + 1)
        ]

    def loss(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """`loss`: nats per column, plus half the squared error of the numbers. `top1`: share of names whose likeliest
        first type is right. Batches come from `data.reader_data.ReaderDataModule`."""
        codes, numbers = self(batch["name"])
        nats = torch.stack([F.cross_entropy(codes[key], batch[key]) for key in CODES])  # targets of 0 add nothing
        wanted = (batch["numbers"] - self.center) / self.spread
        apart = torch.where(wanted.isnan(), 0, wanted.nan_to_num() - numbers)
        loss = nats.sum() + 0.5 * apart.square().mean()
        right = codes["type1"].argmax(dim=1) == batch["type1"].argmax(dim=1)
        return {"loss": loss, "top1": right.float().mean()}

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numeric columns that it predicts."""
        return NUMBERS

    def usual(self, key: str) -> Tensor:
        """The base rate of each value of one of `CODES`, (values,)."""
        return dict(zip(CODES, self.base.split([*CODES.values()]), strict=True))[key]

    @torch.inference_mode()
    def read(self, name: str) -> tuple[dict[str, Tensor], Tensor]:
        """Probabilities (values,) of each of `CODES`, and the expected `NUMBERS` (8,). The name consists of one or more
        lower-case letters without accents and digits. UserError for anything else."""
        if not (name.isascii() and name.isalnum() and name == name.lower()):
            raise UserError(f"Cannot read {name!r}: expected lower-case letters a to z and digits.")
        codes, numbers = self([name])
        likely = {key: logits[0].softmax(dim=0) for key, logits in codes.items()}
        return likely, (numbers[0] * self.spread + self.center).exp()
