"""Battles as environments of Gymnasium, many at once in the simulator's own processes.

    pokegen/Battle-v0
    observation   float32 (500,), see encoder.LAYOUT
    action        Discrete(15), see encoder.py; illegal actions are replaced by the first legal one
    reward        at the end 1 for a win, −1 for a loss, 0 for a tie; with `shaping` also, at each step, the change of a
                  potential: `shaping` times the difference of the two teams' mean health (Ng, Harada and Russell, 1999,
                  with a discount of 1)
    termination   the battle's end; there is no truncation, but a battle of `max_turns` turns is a tie

In `BattleVectorEnv` a seat is one side of a battle. Two seats that learn play each other, or a seat plays an opponent.
All battles go on together: one step is one decision of each battle. Where only the other side has to decide, the only
legal action is a pass.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from pokegen.errors import UserError
from pokegen.game.battle import encoder
from pokegen.game.battle.bridge import Bridge, Update
from pokegen.game.battle.opponents import Opponent, opponent
from pokegen.game.battle.tracker import View

FORMAT = "gen9randombattle"
SELF = "self"
POOL = "pool"  # an opponent that the caller sets in `opponents`
NAMES = ("Red", "Blue")


class Seat:
    """One side of a battle: what it sees, and whether it has to decide."""

    def __init__(self, battle: "Battle", side: int):
        self.battle, self.side = battle, side
        self.view = View(side)
        self.waits = False  # for its choice

    def see(self, bridge: Bridge, update: Update) -> None:
        """Read news of the battle. A team's order in the preview stays as it is."""
        self.view.read(update.lines)
        if update.request is not None:
            self.view.read_request(update.request)
        self.waits = update.must_choose
        if update.winner is not None:
            self.battle.winner = update.winner
            # the view's own winner is 0 for its player
            self.view.winner = update.winner if update.winner < 0 else int(update.winner != self.side)
        if self.waits and self.view.request.get("teamPreview"):
            self.choose(bridge, "default")

    def choose(self, bridge: Bridge, words: str) -> None:
        bridge.choose(self.battle.number, self.side, words)
        self.waits, self.view.request = False, {}


class Battle:
    """A battle that is going on, or over."""

    def __init__(self, number: int):
        self.number = number
        self.seats = (Seat(self, 0), Seat(self, 1))
        self.winner: int | None = None


class BattleVectorEnv(VectorEnv):
    """`num_envs` seats.

    Args:
        num_envs: seats that the caller plays.
        opponents: whom they play: name → weight; "self" is another seat, others see opponents.opponent. Of all battles
            each has a share by its weight; those of "self" take two seats. "pool" is one that the caller puts into
            `opponents` before the first reset.
        format: of Showdown.
        teams: packed teams, of which each side draws one; none for a format with random teams.
        shaping: see above.
        simulators: processes of the simulator; each takes a core while it computes.
        max_turns: of a battle.
        folder: of the simulator, see mod.with_mod; null for the shipped one.
    """

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP, "render_modes": []}  # noqa: RUF012  # as Gymnasium has it

    def __init__(
        self,
        num_envs: int,
        opponents: Mapping[str, float] | None = None,
        format: str = FORMAT,
        teams: Sequence[str] = (),
        shaping: float = 0.0,
        simulators: int = 1,
        max_turns: int = 300,
        folder: Any = None,
    ):
        shares = dict(opponents or {SELF: 1.0})
        if num_envs < 1 or min(shares.values()) < 0 or not sum(shares.values()):
            raise UserError("A battle needs a seat and an opponent of a weight above 0.")
        self.num_envs = num_envs
        self.single_observation_space, self.single_action_space = encoder.battle_spaces()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.format, self.teams, self.shaping = format, list(teams), shaping
        self.rng = np.random.default_rng(0)
        self.places = _places(num_envs, shares)  # of each battle: the opponent's name, and its seats
        self.opponents: dict[str, Opponent] = {
            name: opponent(name) for name in {name for name, _ in self.places} if name not in (SELF, POOL)
        }
        self._bridge = Bridge(simulators, folder=folder, max_turns=max_turns)
        self._battles: list[Battle] = []
        self._number = 0
        self.results: list[tuple[str, float]] = []  # of ended battles: the opponent's name, the first seat's result
        self.closed = False

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        if seed is not None:
            self.rng = np.random.default_rng(seed)
        for battle in self._battles:
            self._bridge.stop(battle.number)
        self._battles = [self._start(place) for place in range(len(self.places))]
        self._advance()
        self._potential = self._health()
        return self._observe(), {}

    def step(self, actions: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        for place, battle in enumerate(self._battles):
            if battle.winner is not None:
                self._battles[place] = self._start(place)
                continue
            for seat, number in zip(self._own(place), self.places[place][1], strict=True):
                if seat.waits:
                    mask = encoder.legal(seat.view)
                    action = int(actions[number])
                    seat.choose(self._bridge, encoder.choice(seat.view, action if mask[action] else mask.index(1.0)))
        self._advance()
        rewards, done = np.zeros(self.num_envs), np.zeros(self.num_envs, bool)
        for place, battle in enumerate(self._battles):
            if battle.winner is not None:
                for number in self.places[place][1]:
                    rewards[number] = self.result(place, number)
                    done[number] = True
                self.results.append((self.places[place][0], rewards[self.places[place][1][0]]))
        if self.shaping:
            health = self._health()
            rewards += self.shaping * np.where(self._fresh, 0, health - self._potential)
            self._potential = health
        return self._observe(), rewards, done, np.zeros(self.num_envs, bool), {}

    def result(self, place: int, number: int) -> float:
        """Of a battle that is over, for a seat: 1 won, 0 a tie, −1 lost."""
        battle = self._battles[place]
        side = self._own(place)[self.places[place][1].index(number)].side
        return 0.0 if battle.winner in (None, -1) else 1.0 if battle.winner == side else -1.0

    def close_extras(self, **kwargs: Any) -> None:
        self._bridge.close()

    def _own(self, place: int) -> list[Seat]:
        """The seats of a battle that the caller plays."""
        battle, count = self._battles[place], len(self.places[place][1])
        return list(battle.seats) if count == 2 else [battle.seats[self._side[battle.number]]]

    _side: dict[int, int]

    def _start(self, place: int) -> Battle:
        number = self._number = self._number + 1
        if number == 1:
            self._side = {}
        self._side[number] = int(self.rng.integers(2))
        seed: Any = tuple(self.rng.integers(65536, size=4).tolist())
        pair = [self.teams[i] for i in self.rng.integers(len(self.teams), size=2)] if self.teams else [None, None]
        self._bridge.start(number, self.format, seed, (pair[0], pair[1]), NAMES)
        battle = Battle(number)
        for seat in battle.seats:
            if self.places[place][0] != SELF and seat.side != self._side[number]:
                self.opponents[self.places[place][0]].begin(seat, int(self.rng.integers(2**31)))
        return battle

    def _advance(self) -> None:
        """Go on until a seat of the caller has to decide in each battle, or it is over."""
        of = {battle.number: place for place, battle in enumerate(self._battles)}
        self._fresh = np.zeros(self.num_envs, bool)
        pending = {battle.number for place, battle in enumerate(self._battles) if not self._ready(place)}
        while pending:
            asked: dict[str, list[Seat]] = {}
            for update in self._bridge.receive():
                if (place := of.get(update.battle)) is None:
                    continue
                battle = self._battles[place]
                seat = battle.seats[update.side]
                if seat.view.turn == 0:
                    self._fresh[self.places[place][1]] = True
                seat.see(self._bridge, update)
                name = self.places[place][0]
                if name != SELF and seat.side != self._side[battle.number]:
                    self.opponents[name].see(seat, update)
                    if seat.waits:
                        asked.setdefault(name, []).append(seat)
            for name, seats in asked.items():
                for seat, words in zip(seats, self.opponents[name].choose(seats), strict=True):
                    seat.choose(self._bridge, words)
            pending = {number for number in pending if not self._ready(of[number])}

    def _ready(self, place: int) -> bool:
        return self._battles[place].winner is not None or any(seat.waits for seat in self._own(place))

    def _observe(self) -> np.ndarray:
        found = np.empty((self.num_envs, encoder.SIZE), np.float32)
        for place in range(len(self.places)):
            for seat, number in zip(self._own(place), self.places[place][1], strict=True):
                found[number] = encoder.observe(seat.view)
        return found

    def _health(self) -> np.ndarray:
        """The potential of each seat, (num_envs,): difference of the two teams' mean health."""
        found = np.zeros(self.num_envs)
        for place in range(len(self.places)):
            for seat, number in zip(self._own(place), self.places[place][1], strict=True):
                own, foe = seat.view.teams
                lost = sum(1 - mon.hp for mon in foe.values()) - sum(1 - mon.hp for mon in own.values())
                found[number] = lost / encoder.TEAM
        return found


def _places(seats: int, shares: Mapping[str, float]) -> list[tuple[str, list[int]]]:
    """Divide seats among opponents by their weights: of each battle the opponent and the seats' numbers."""
    total = sum(shares.values())
    found: list[tuple[str, list[int]]] = []
    free = list(range(seats))
    for name, weight in sorted(shares.items(), key=lambda item: item[0] == SELF):
        count = len(free) if name == SELF else min(len(free), round(seats * weight / total))
        mine, free = free[:count], free[count:]
        pairs = [mine[i : i + 2] for i in range(0, len(mine) - 1, 2)] if name == SELF else [[i] for i in mine]
        found += [(name, pair) for pair in pairs]
        free = mine[2 * len(pairs) :] + free if name == SELF else free
    if free:  # what rounding left, or an odd seat of "self"
        others = [name for name in shares if name != SELF]
        if not others:
            raise UserError(f"Seats that play each other must be even in number, got {seats}.")
        found += [(others[0], [seat]) for seat in free]
    return found


class BattleEnv(gymnasium.Env):
    """One seat against an opponent: see BattleVectorEnv for its arguments; `self` is the opponent "random" here."""

    metadata = {"render_modes": []}  # noqa: RUF012  # as Gymnasium has it

    def __init__(self, render_mode: str | None = None, opponents: Mapping[str, float] | None = None, **options: Any):
        self.observation_space, self.action_space = encoder.battle_spaces()
        self.render_mode = render_mode
        others = {name: weight for name, weight in (opponents or {}).items() if name != SELF}
        self._make: Callable[[], BattleVectorEnv] = lambda: BattleVectorEnv(1, others or {"random": 1.0}, **options)
        self._inner: BattleVectorEnv | None = None

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self._inner = self._inner or self._make()
        observation, info = self._inner.reset(seed=int(self.np_random.integers(2**31)))
        return observation[0], info

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        assert self._inner is not None, "reset comes first"
        observation, reward, done, _, info = self._inner.step([action])
        return observation[0], float(reward[0]), bool(done[0]), False, info

    def close(self) -> None:
        if self._inner is not None:
            self._inner.close()
