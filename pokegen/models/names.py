"""A character-level language model of names, conditional on types, stage and legendary, each optional.

GPT-2 (Radford et al., 2019) at a thousandth of its size. `NameTrainer` trains transformers' own GPT-2. `NameModel` is
the forward pass of the same weights in plain torch, with the same parameter names, so that creating a card need not
import transformers. A test holds their logits equal.

    input    type1 type2 stage legendary  p  i  k  a  c  h  u
    target                          p     i  k  a  c  h  u  END

Three measures against memorising 830 names: dropout, weight decay, and randomly blanked input characters, which is to
a language model what interpolation is to n-grams (Xie et al., Data Noising as Smoothing, ICLR 2017). Conditions are
blanked to "unknown" too, as in classifier-free guidance (Ho & Salimans, 2022), so that each can be left open.

`sample` returns only names that are new and readable: it draws candidates and rejects the others. The weights include
the real names to avoid, as a buffer.

Left out: capitals (names are lower case internally and capitalised by rule), guidance, beam search.
"""

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pokegen.errors import UserError
from pokegen.models.network import Network
from pokegen.schema import CATEGORIES, TYPES
from pokegen.text import normalise

LETTERS = "abcdefghijklmnopqrstuvwxyzé"
SEPARATORS = " -"
ALPHABET = LETTERS + SEPARATORS + "0123456789.:’"  # every character of the 1,025 names
END = 0  # ends a name, and pads it; character i of ALPHABET is token i + 1
BLANK = len(ALPHABET) + 1  # an input character hidden in training

# Condition -> number of values, in the order of the input. One more token, "unknown", follows each condition's values.
CONDITIONS = {key: len(CATEGORIES[key]) for key in ("type1", "type2", "stage", "legendary")}
_IGNORED = ("color",)  # a condition of other models that the same dictionary may contain
_FIRST = {key: BLANK + 1 + sum(v + 1 for v in list(CONDITIONS.values())[:i]) for i, key in enumerate(CONDITIONS)}
VOCABULARY = BLANK + 1 + sum(v + 1 for v in CONDITIONS.values())

MIN_LENGTH, MAX_LENGTH = 3, 12  # characters of a sampled name
_ROUNDS = 16  # rounds of rejection sampling before it gives up on a prefix
_BATCH = 24  # least number of candidates in the first round: they take no longer than one

# No run of more than three vowels or consonants ("y" counts as a vowel) and no letter three times: true of 98 % of the
# real names (not of Beautifly, Bellsprout and Grafaiai). 95 % satisfy all of `readable`.
_UNREADABLE = re.compile(r"[aeiouyé]{4}|[bcdfghjklmnpqrstvwxz]{4}|(.)\1\1")
# Consonants that can begin or end an English word: no "Tdk…", no "…ltd".
_ONSET = re.compile(
    "[bcdfghjklmnpqrstvwxz]?([aeiouyé]|$)|(bl|br|ch|cl|cr|dr|dw|fl|fr|gh|gl|gr|kh|kl|kn|kr|ph|pl|pr|qw|rh|sc|sh|sk|sl"
    "|sm|sn|sp|sq|st|sw|th|tr|ts|tw|wh|wr|zw)"
)
_CODA = re.compile(
    "[aeiouyé][bcdfghjklmnpqrstvwxz]?$|(bb|ch|ck|cks|ct|dd|ff|ft|gg|gh|gn|ks|lb|ld|lf|lk|ll|lm|lp|lt|lts|mb|mp|nd|ng"
    "|nk|nn|ns|nt|nx|ph|ps|pt|rb|rch|rd|rf|rg|rk|rl|rm|rn|rp|rr|rs|rt|rx|sh|sk|sm|sp|ss|st|tch|th|ts|tt|wk|wl|wn|xt"
    "|zz)$"
)
_SHAPE = re.compile(rf"[{LETTERS}]{{2,}}([{SEPARATORS}][{LETTERS}]{{2,}})?")
_OFFENSIVE = re.compile(
    "anal|anus|arse|bastard|bitch|boob|cock|coon|crap|cum|cunt|dick|dildo|dyke|fag|fuck|hitler|homo|jew|jihad|kike|kkk"
    "|nazi|negr|nigg|penis|piss|porn|puss|rape|rapis|retard|semen|sex|shit|slut|spic|suicid|tits|titt|tranny|twat|vagin|wank"
    "|whore"
)


def capitalise(name: str) -> str:
    """`tapu koko` -> `Tapu Koko`."""
    return re.sub(rf"(^|[{SEPARATORS}])(\w)", lambda m: m[1] + m[2].upper(), name)


def encode(names: Iterable[str], length: int) -> Tensor:
    """Names as tokens, padded with END: int64 (N, length). UserError for an unknown character."""
    rows = []
    for name in names:
        tokens = [ALPHABET.find(c) + 1 for c in normalise(name)]
        if 0 in tokens or not 0 < len(tokens) <= length:
            raise UserError(f"Cannot write the name {name!r}: expected 1 to {length} of the characters {ALPHABET!r}.")
        rows.append(tokens + [END] * (length - len(tokens)))
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, length)


def decode(tokens: Sequence[int]) -> str:
    """Tokens up to the first END, in lower case."""
    end = tokens.index(END) if END in tokens else len(tokens)
    return "".join(ALPHABET[t - 1] for t in tokens[:end])


def encode_condition(condition: Mapping[str, Any] | None, n: int) -> Tensor:
    """The condition tokens, int64 (n, 4). Values are indices, (n,) or one for all; -1 or no key means unknown."""
    condition = dict(condition or {})
    foreign = [key for key in condition if key not in (*CONDITIONS, *_IGNORED)]
    if foreign:
        raise UserError(f"Unknown condition {foreign[0]!r} for names. Known: {', '.join(CONDITIONS)}.")
    columns = []
    for key, values in CONDITIONS.items():
        low = CATEGORIES[key][0]
        column = torch.as_tensor(condition.get(key, -1)).cpu().long()
        if column.ndim > 1 or column.numel() not in (1, n):
            raise UserError(f"Condition {key!r}: expected one value or {n}, got shape {tuple(column.shape)}.")
        column = column.reshape(-1).expand(n)
        wrong = (column != -1) & ((column < low) | (column >= low + values))
        if wrong.any():
            raise UserError(
                f"Condition {key!r}: expected {low} to {low + values - 1}, or -1 for any, got {column[wrong][0]:d}."
            )
        columns.append(_FIRST[key] + torch.where(column == -1, values, column - low))
    same = (columns[0] - _FIRST["type1"] == columns[1] - _FIRST["type2"]) & (columns[0] < _FIRST["type1"] + len(TYPES))
    if same.any():
        raise UserError("The second type must differ from the first, or be none.")
    return torch.stack(columns, dim=1)


def readable(name: str) -> bool:
    """Whether a lower-case name is pronounceable and inoffensive."""
    return bool(
        _SHAPE.fullmatch(name)
        and not _UNREADABLE.search(name)
        and all(_ONSET.match(word) and _CODA.search(word) for word in re.split(f"[{SEPARATORS}]", name))
        and not _OFFENSIVE.search(re.sub(f"[{SEPARATORS}]", "", name))
    )


def edit_distance(a: str, b: str) -> int:
    """Levenshtein distance: insertions, deletions and replacements that turn `a` into `b`."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        last, row = row, [i]
        for j, y in enumerate(b, start=1):
            row.append(min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y)))
    return row[-1]


class _Neighbours:
    """Finds which names lie within an edit distance of any of many names."""

    def __init__(self, names: Iterable[str]):
        self.names = list(dict.fromkeys(names))
        self.counts = self._count(self.names)

    @staticmethod
    def _count(names: Sequence[str]) -> Tensor:
        """How often each character occurs in each name, float32 (N, 32); some characters share a column."""
        counts = np.zeros((len(names), 32), np.float32)
        for row, name in enumerate(names):
            for c in name:
                counts[row, ord(c) % 32] += 1
        return torch.from_numpy(counts)

    def near(self, names: Sequence[str], distance: int) -> list[bool]:
        # An edit changes the character counts by at most two, which rules out nearly all names at once.
        apart = torch.cdist(self._count(names), self.counts, p=1)
        found = [False] * len(names)
        for row, column in (apart <= 2 * distance).nonzero().tolist():
            found[row] = found[row] or edit_distance(names[row], self.names[column]) <= distance
        return found


# B names, T tokens, C width, H heads. The modules below are named as in transformers' GPT-2.

Cache = dict[int, tuple[Tensor, Tensor]]  # layer -> keys and values of the tokens read so far


class _Linear(nn.Module):
    """A linear layer with the weight transposed, as GPT-2 stores it."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs) * 0.02)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.t(), self.bias)  # one fused call: a separate addition took twice as long


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.c_attn = _Linear(width, 3 * width)
        self.c_proj = _Linear(width, width)

    def forward(self, x: Tensor, cache: Cache | None, layer: int, rows: Tensor | None) -> Tensor:
        q, k, v = (p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in self.c_attn(x).chunk(3, dim=-1))
        first = cache is None or layer not in cache
        if cache is not None:
            if not first:
                k, v = (_appended(old, new, rows) for old, new in zip(cache[layer], (k, v), strict=True))
            cache[layer] = (k, v)  # (B, H, T, C / H)
        if first:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:  # one more token, which attends to all before it: here plain sums are faster than the kernel
            shares = (q * k).sum(dim=3, keepdim=True).div(math.sqrt(q.shape[3])).softmax(dim=2)  # (B, H, T, 1)
            y = (shares * v).sum(dim=2, keepdim=True)
        return self.c_proj(y.transpose(1, 2).flatten(2))  # (B, T, C)


def _appended(old: Tensor, new: Tensor, rows: Tensor | None) -> Tensor:
    """Keys or values of more tokens (B, H, t, C / H) after those of `old` (N, H, T, C / H), or of its `rows` (B,)."""
    if rows is None:
        return torch.cat([old, new], dim=2)
    both = new.new_empty(*new.shape[:2], old.shape[2] + new.shape[2], new.shape[3])
    torch.index_select(old, 0, rows, out=both[:, :, : old.shape[2]])  # avoids the second copy that cat would make
    both[:, :, old.shape[2] :] = new
    return both


class _MLP(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.c_fc = _Linear(width, 4 * width)
        self.c_proj = _Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.c_fc(x)
        # GPT-2's GELU, x (1 + tanh(u)) / 2, written as x sigmoid(2 u), which takes half the time.
        return self.c_proj(x * torch.sigmoid((2 * math.sqrt(2 / math.pi)) * x * (1 + 0.044715 * x * x)))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = _Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = _MLP(width)

    def forward(self, x: Tensor, cache: Cache | None, layer: int, rows: Tensor | None) -> Tensor:
        x = x + self.attn(self.ln_1(x), cache, layer, rows)
        return x + self.mlp(self.ln_2(x))


class _Transformer(nn.Module):
    def __init__(self, layers: int, heads: int, width: int, positions: int):
        super().__init__()
        self.wte = nn.Embedding(VOCABULARY, width)
        self.wpe = nn.Embedding(positions, width)
        self.h = nn.ModuleList(_Block(width, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, cache: Cache | None, rows: Tensor | None) -> Tensor:
        past = cache[0][0].shape[2] if cache else 0
        x = self.wte(tokens) + self.wpe.weight[past : past + tokens.shape[1]]  # (B, T, C)
        for layer, block in enumerate(self.h):
            x = block(x, cache, layer, rows)
        return self.ln_f(x)


class NameModel(Network):
    """Samples and scores names. Its weights are named as in transformers' `GPT2LMHeadModel`.

    Args:
        layers: Transformer blocks.
        heads: Attention heads of a block; they divide `width`.
        width: Channels.
        max_length: Characters of the longest name that it can read or write.
        capacity: Number of real names that the buffer can hold.
    """

    known: Tensor

    hub_task = "text-generation"

    def __init__(
        self, layers: int = 2, heads: int = 4, width: int = 96, max_length: int = 16, capacity: int = 2048
    ) -> None:
        super().__init__()
        self.max_length = max_length
        self.shape = (layers, heads, width, len(CONDITIONS) + max_length)
        # The head is the token embedding itself (GPT-2 ties them), so the state contains it once.
        self.transformer = _Transformer(*self.shape)
        self.register_buffer("known", torch.zeros(capacity, max_length, dtype=torch.uint8))

    def forward(self, tokens: Tensor, cache: Cache | None = None, rows: Tensor | None = None) -> Tensor:
        """Logits of the next token at each position: int64 (B, T) -> (B, T, VOCABULARY).

        With a `cache` (an empty dict at first), the first call reads a prefix. Each later call reads one more token of
        all sequences of the previous call or, without gradients, of those at `rows`.
        """
        return F.linear(self.transformer(tokens, cache, rows), self.transformer.wte.weight)

    @torch.inference_mode()
    def sample(
        self,
        n: int,
        condition: Mapping[str, Tensor] | None = None,
        generator: torch.Generator | None = None,
        *,
        temperature: float = 1.0,
        prefix: str = "",
        max_length: int = MAX_LENGTH,
        avoid: Collection[str] = (),
        taken: Collection[str] = (),
        min_distance: int = 2,
    ) -> list[str]:
        """`n` names: new, readable and all different.

        Args:
            n: Number of names, 1 or more.
            condition: `type1`, `type2`, `stage`, `legendary` as indices of the schema, (n,) each; -1 for any.
            generator: A generator on the CPU; the same state gives the same names.
            temperature: 0.01 to 100; lower gives more typical names, higher wilder ones.
            prefix: Letters that each name begins with, in any case.
            max_length: Characters of the longest name wanted, 3 to the model's own `max_length`.
            avoid: Further names to avoid, in addition to the real ones.
            taken: Names sampled earlier, which are not returned again; pass a set if there are many.
            min_distance: Least edit distance (insertions, deletions, replacements) to any real name; 1 excludes only
                the real names themselves.

        Raises:
            UserError: for an option out of range, and if too few new names begin with `prefix`.
        """
        if n < 1:
            raise UserError(f"Expected 1 name or more, got {n}.")
        if not 0.01 <= temperature <= 100:
            raise UserError(f"Expected a temperature from 0.01 to 100, got {temperature:g}.")
        if not MIN_LENGTH <= max_length <= self.max_length:
            raise UserError(f"Expected a maximum length of {MIN_LENGTH} to {self.max_length}, got {max_length}.")
        if min_distance < 1:
            raise UserError(f"Expected a minimum distance of 1 or more from real names, got {min_distance}.")
        start = self._check_prefix(prefix, max_length)
        conditions = encode_condition(condition, n)  # (n, 4)
        if generator is None:
            generator = torch.Generator()
            generator.seed()

        real = _Neighbours([*self._known_names(), *map(normalise, avoid)])
        names: dict[int, str] = {}
        for attempt in range(1, _ROUNDS + 1):
            rows = [i for i in range(n) if i not in names]
            rows = rows * math.ceil(attempt * _BATCH / len(rows))  # few candidates pass with a rare prefix
            candidates = self.draw(conditions[rows], start, max_length, temperature, generator)
            good = [
                (row, name) for row, (name, ended) in zip(rows, candidates, strict=True) if ended and readable(name)
            ]
            near = real.near([name for _, name in good], min_distance - 1)
            drawn = set(names.values())
            for (row, name), too_near in zip(good, near, strict=True):
                if row in names or too_near or name in drawn or capitalise(name) in taken:
                    continue
                names[row] = name
                drawn.add(name)
            if len(names) == n:
                return [capitalise(names[i]) for i in range(n)]
        wanted = f" that begin with {prefix!r}" if prefix else ""
        raise UserError(
            f"Found {len(names)} of {n} new names{wanted} in {_ROUNDS} rounds. "
            "Ask for fewer names, a shorter prefix, or a higher temperature."
        )

    @torch.inference_mode()
    def bits_per_character(self, names: Sequence[str], condition: Mapping[str, Tensor] | None = None) -> float:
        """Mean bits per character, the end of a name counted as one character. Lower is better."""
        tokens = encode(names, self.max_length).to(self.known.device)
        inputs, targets = sequence(tokens, encode_condition(condition, len(names)).to(tokens.device))
        logits = self(inputs)[..., :BLANK]  # names contain no condition tokens
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100).item() / math.log(2)

    def to_transformers(self) -> Any:
        """The same model as transformers' `GPT2LMHeadModel`, with the tokens of this file."""
        from transformers import GPT2LMHeadModel

        twin = GPT2LMHeadModel(gpt2_config(*self.shape, dropout=0.0))
        twin.transformer.load_state_dict(self.transformer.state_dict())
        return twin.eval()

    def _known_names(self) -> list[str]:
        return [decode(row) for row in self.known[self.known[:, 0] != END].tolist()]

    def _check_prefix(self, prefix: str, max_length: int) -> str:
        start = normalise(prefix)
        # A trailing separator is allowed in a prefix; the second word follows.
        if not re.fullmatch(rf"([{LETTERS}]+([{SEPARATORS}][{LETTERS}]*)?)?", start):
            raise UserError(f"Cannot begin a name with {prefix!r}: expected letters, and at most one hyphen or space.")
        if len(start) >= max_length:
            raise UserError(f"The prefix {prefix!r} leaves no room: names have at most {max_length} characters.")
        if _UNREADABLE.search(start) or _OFFENSIVE.search(start):
            raise UserError(f"No name that begins with {prefix!r} would be readable; choose another prefix.")
        return start

    @torch.inference_mode()
    def draw(
        self, conditions: Tensor, start: str, max_length: int, temperature: float, generator: torch.Generator | None
    ) -> list[tuple[str, bool]]:
        """A name for each row of condition tokens (B, 4), unchecked, in lower case, and whether it ended in time."""
        size, device = len(conditions), self.known.device
        kinds, rows = conditions.unique(dim=0, return_inverse=True)  # most rows usually share their conditions
        prefix = torch.tensor([ALPHABET.index(c) + 1 for c in start], dtype=torch.int64)
        cache: Cache = {}
        logits = self(torch.cat([kinds, prefix.expand(len(kinds), -1)], dim=1).to(device), cache)[rows, -1]
        allowed = torch.zeros(VOCABULARY, dtype=torch.bool)
        allowed[1 : 1 + len(LETTERS + SEPARATORS)] = True
        names = torch.full((size, max_length + 1), END)
        names[:, : len(start)] = prefix
        shares = torch.ones(size, VOCABULARY)
        going = torch.arange(size)  # the unfinished names; finished ones cost nothing more
        for place in range(len(start), max_length + 1):
            allowed[END] = place >= MIN_LENGTH
            shares[going] = (logits.cpu().float().masked_fill(~allowed, -torch.inf) / temperature).softmax(dim=-1)
            # Random numbers for all names, so that a name does not depend on which others have ended.
            names[going, place] = torch.multinomial(shares, 1, generator=generator)[going, 0]
            more = (names[going, place] != END).nonzero()[:, 0]
            going = going[more]
            if place == max_length or not len(going):
                break
            rows = (rows[more] if place == len(start) else more).to(device)
            logits = self(names[going, place : place + 1].to(device), cache, rows)[:, -1]
        return [(decode(row), row[-1] == END) for row in names.tolist()]


class NameTrainer(Network):
    """Trains transformers' GPT-2 on names. Its state equals `NameModel`'s, key for key.

    Args:
        layers: Transformer blocks.
        heads: Attention heads of a block; they divide `width`.
        width: Channels.
        max_length: Characters of the longest name that it can read or write.
        capacity: Number of real names that the buffer can hold.
        dropout: Rate on embeddings, attention and residuals, in [0, 1).
        noise: Share of input characters blanked in training, in [0, 1).
        unknown: Share of conditions hidden in training, each independently, in [0, 1].
    """

    known: Tensor

    def __init__(
        self,
        layers: int = 2,
        heads: int = 4,
        width: int = 96,
        max_length: int = 16,
        capacity: int = 2048,
        dropout: float = 0.3,
        noise: float = 0.2,
        unknown: float = 0.5,
    ) -> None:
        super().__init__()
        from transformers import GPT2Model

        self.shape = {
            "layers": layers, "heads": heads, "width": width, "max_length": max_length, "capacity": capacity
        }  # fmt: skip
        self.noise = noise
        self.unknown = unknown
        # GPT2LMHeadModel without its second reference to the tied embedding, which safetensors would refuse.
        self.transformer = GPT2Model(gpt2_config(layers, heads, width, len(CONDITIONS) + max_length, dropout))
        self.register_buffer("known", torch.zeros(capacity, max_length, dtype=torch.uint8))

    def prepare(self, datamodule: Any) -> None:
        """Store the real names that samples must avoid: `datamodule.names`, of all splits."""
        capacity, length = self.known.shape
        if len(datamodule.names) > capacity:
            raise UserError(f"{len(datamodule.names)} names, but capacity is {capacity}: set a larger capacity.")
        self.known.zero_()
        self.known[: len(datamodule.names)] = encode(datamodule.names, length)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the next token at each position: int64 (B, T) -> (B, T, VOCABULARY)."""
        hidden = self.transformer(input_ids=tokens, use_cache=False).last_hidden_state
        return F.linear(hidden, self.transformer.wte.weight)

    def loss(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """`loss` in nats per character and `bits` in bits per character, the end of a name counted as one character.

        `batch`: `name` as a list of strings, `type1`, `type2`, `stage`, `legendary` as int64 (B,).
        """
        device = self.known.device
        tokens = encode(batch["name"], self.shape["max_length"]).to(device)
        conditions = encode_condition({key: batch[key] for key in CONDITIONS}, len(tokens)).to(device)
        if self.training:
            unknown = torch.tensor([_FIRST[key] + values for key, values in CONDITIONS.items()], device=device)
            hide = torch.rand(conditions.shape, device=device) < self.unknown
            conditions = torch.where(hide, unknown, conditions)
        inputs, targets = sequence(tokens, conditions)
        if self.training:
            hide = torch.rand(inputs.shape, device=device) < self.noise
            hide[:, : len(CONDITIONS)] = False
            inputs = inputs.masked_fill(hide & (inputs != END), BLANK)
        loss = F.cross_entropy(self(inputs)[..., :BLANK].flatten(0, 1), targets.flatten(), ignore_index=-100)
        return {"loss": loss, "bits": loss.detach() / math.log(2)}

    def exported(self) -> tuple[str, dict[str, Any]]:
        return "pokegen.models.names.NameModel", dict(self.shape)

    def to_inference_model(self) -> NameModel:
        """A `NameModel` with a copy of the weights."""
        model = NameModel(**self.shape).to(self.known.device)
        model.load_state_dict(self.state_dict())
        return model.eval()

    @torch.inference_mode()
    def sample(self, n: int, condition: Mapping[str, Tensor] | None = None, generator: Any = None) -> list[str]:
        """Names for watching training: unchecked, and cut off if a name does not end."""
        drawn = self.to_inference_model().draw(encode_condition(condition, n), "", MAX_LENGTH, 1.0, generator)
        return [capitalise(name) for name, _ in drawn]


def sequence(tokens: Tensor, conditions: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs and targets of the model, both int64 (B, 4 + L), from names (B, L) and conditions (B, 4).

    Targets are -100 before the last condition and after the first END.
    """
    inputs = torch.cat([conditions, tokens], dim=1)
    targets = torch.cat([tokens, torch.full_like(tokens[:, :1], END)], dim=1)  # (B, L + 1)
    behind = (targets == END).cumsum(dim=1) > 1
    ignored = torch.full_like(conditions[:, 1:], -100)
    return inputs, torch.cat([ignored, targets.masked_fill(behind, -100)], dim=1)


def gpt2_config(layers: int, heads: int, width: int, positions: int, dropout: float) -> Any:
    """Transformers' configuration of the same network."""
    from transformers import GPT2Config

    return GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=positions,
        n_embd=width,
        n_layer=layers,
        n_head=heads,
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=dropout,
        bos_token_id=None,
        eos_token_id=END,  # no pad token: nothing after END is scored, and a causal model cannot see it
    )
