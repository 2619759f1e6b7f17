"""Battles of Pokémon Showdown's own simulator, many at once, with no server and no network.

    with Bridge(processes=2) as bridge:
        for battle in range(64):
            bridge.start(battle, "gen9randombattle", (1, 2, 3, battle))
        while bridge.open:
            for update in bridge.receive():
                if update.must_choose:
                    bridge.choose(update.battle, update.side, "move 1")

Node.js runs `node/bridge.js`; battle b lives in process b mod `processes`. Choices are sent a round at a time: one line
of JSON with all commands goes to a process, and one line with all updates comes back. A process computes while Python
works on the answer of another one.

Equal seeds, teams, names and choices give an equal battle, and the same one as the package's `simulate-battle`. No
clock runs, and no team is validated: `validate` does that, once for each team of your own.
"""

import hashlib
import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from pokegen.game.battle.showdown import NODE, ShowdownError, node, package

Seed = tuple[int, int, int, int]  # each 0..65535

TIE = -1


class BridgeError(ShowdownError):
    """A simulator process ended, does not answer, or refused a battle.

    Attributes:
        battles: the numbers of the battles that are lost.
    """

    def __init__(self, message: str, battles: Iterable[int] = ()):
        super().__init__(message)
        self.battles = sorted(battles)


class Update(NamedTuple):
    """What one side learns.

    Attributes:
        battle: its number.
        side: 0 (p1) or 1 (p2).
        lines: of the protocol, as this player's client sees them, since the side's last update. Without `|t:|`, the
            time of day. An invalid choice gives one line, `|error|…`, and the request again.
        request: as the client gets it, `{"wait": True, …}` while only the other side must choose; None at the end.
        winner: in the last update of each side 0, 1, or -1 for a tie; before it None.
    """

    battle: int
    side: int
    lines: list[str]
    request: dict[str, Any] | None
    winner: int | None

    @property
    def must_choose(self) -> bool:
        """Whether the battle waits for this side."""
        return self.request is not None and not self.request.get("wait")


def team_seed(seed: Seed, side: int) -> str:
    """The simulator's seed of a side's random team in a battle of this seed."""
    digest = hashlib.sha256(f"{seed} {side}".encode()).digest()
    return ",".join(str(int.from_bytes(digest[i : i + 2])) for i in (0, 2, 4, 6))


def legal(request: dict[str, Any]) -> list[str]:
    """What a side may choose in a battle of one against one. A switch may still be refused, where the simulator alone
    knows that something traps."""
    own = request["side"]["pokemon"]
    if "forceSwitch" in request:
        fainted = bool(own[0].get("reviving"))
        places = [i for i, p in enumerate(own, 1) if i > 1 and p["condition"].endswith(" fnt") == fainted]
        return [f"switch {i}" for i in places] or ["pass"]
    if "active" not in request:
        return ["default"]
    active = request["active"][0]
    moves = [f"move {i}" for i, move in enumerate(active["moves"], 1) if not move.get("disabled")]
    if active.get("canTerastallize"):
        moves += [f"{move} terastallize" for move in moves]
    if not active.get("trapped"):
        moves += [f"switch {i}" for i, p in enumerate(own, 1) if i > 1 and not p["condition"].endswith(" fnt")]
    return moves or ["default"]


class Bridge:
    """Runs battles in `processes` Node processes. A context manager; one thread may use it.

    Args:
        processes: how many; each takes a core while it computes, and about 300 MB of memory.
        folder: of the npm package; default: the one that `showdown.package` installs. See `mod.with_mod`.
        max_turns: a battle that goes on after this turn is a tie. The simulator's own limit is 1,000.
        timeout: seconds in which a process must answer a round.

    Attributes:
        finished: how many battles came to an end.
    """

    def __init__(self, processes: int = 1, folder: Path | None = None, max_turns: int = 1000, timeout: float = 120):
        if processes < 1 or max_turns < 1:
            raise ValueError(f"expected at least one process and turn, got {processes=}, {max_turns=}")
        self.finished = 0
        self._serials: dict[int, int] = {}  # an open battle's number → the one that Node knows it by, never used again
        self._battles: dict[int, int] = {}  # and back
        self._command = [node(), str(NODE / "bridge.js"), str(folder or package()), str(max_turns)]
        self._timeout = timeout
        self._last = 0  # serial
        self._ready: list[Update] = []  # read while something else was waited for
        self._nodes = [_Node(self._command) for _ in range(processes)]

    def __enter__(self) -> "Bridge":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def open(self) -> set[int]:
        """The numbers of the battles that were started and are not over."""
        return set(self._serials)

    @property
    def pids(self) -> list[int]:
        """The processes' ids."""
        return [process.pid for process in self._nodes]

    def close(self) -> None:
        """End the processes."""
        for process in self._nodes:
            process.close()
        self._forget(list(self._serials))

    def restart(self) -> None:
        """Start the processes that have ended again. Battles of the others go on."""
        self._nodes = [_Node(self._command) if process.ended else process for process in self._nodes]

    def start(
        self,
        battle: int,
        format: str,
        seed: Seed,
        teams: tuple[str | None, str | None] = (None, None),
        names: tuple[str, str] = ("Player 1", "Player 2"),
    ) -> None:
        """Begin a battle. The next `receive` gives the first updates, or raises BridgeError where it cannot begin.

        Args:
            battle: a number of yours, of no open battle.
            format: such as "gen9randombattle".
            seed: four integers, 0..65535.
            teams: packed; None where the format makes a random team, from the battle's seed.
            names: two different ones, without `|` and line ends.
        """
        if battle in self._serials:
            raise ValueError(f"battle {battle} is not over")
        if len(seed) != 4 or not all(0 <= part < 65536 for part in seed):
            raise ValueError(f"expected a seed of four integers 0..65535, got {seed}")
        if names[0] == names[1] or not all(name and name.isprintable() and "|" not in name for name in names):
            raise ValueError(f"expected two different names without '|' or line ends, got {names}")
        seed = (int(seed[0]), int(seed[1]), int(seed[2]), int(seed[3]))
        of_teams = [team_seed(seed, side) for side in (0, 1)]
        numbers = ",".join(map(str, seed))
        serial = self._last = self._last + 1
        self._send(int(battle), ["start", serial, format, numbers, list(teams), of_teams, list(names)])
        self._serials[int(battle)], self._battles[serial] = serial, int(battle)

    def choose(self, battle: int, side: int, choice: str) -> None:
        """Choose for a side. A choice for a battle that is over is dropped.

        Args:
            choice: as the simulator reads it: "move 1", "move 2 terastallize", "switch 3", "team 312", "default".
        """
        if battle in self._serials:
            self._send(battle, ["choose", self._serials[battle], int(side), choice])

    def forfeit(self, battle: int, side: int) -> None:
        """Give a battle up: the other side wins."""
        if battle in self._serials:
            self._send(battle, ["forfeit", self._serials[battle], int(side)])

    def stop(self, battle: int) -> None:
        """Drop a battle, without a result."""
        if battle in self._serials:
            self._send(battle, ["stop", self._serials[battle]])
            self._forget([battle])

    def receive(self) -> list[Update]:
        """Send what was chosen, and wait until a side must choose or a battle ends. Returns all updates that are there.

        Raises BridgeError where a process ended or a battle could not begin; call again for the rest.
        """
        self.flush()
        while not any(update.must_choose or update.winner is not None for update in self._ready):
            waiting = {process.output: process for process in self._nodes if process.busy}
            if not waiting:
                raise ValueError("nothing to wait for: no battle is open, or each waits for a choice")
            readable = _readable(waiting, self._timeout)
            if not readable:
                self._lost(next(iter(waiting.values())), f"did not answer within {self._timeout:g} s")
            for descriptor in readable:
                self._read(waiting[descriptor])
            self.flush()
        found, self._ready = self._ready, []
        return found

    def flush(self) -> None:
        """Send what was chosen to the processes that are idle."""
        for process in self._nodes:
            if process.queue and not process.busy:
                try:
                    process.write()
                except BrokenPipeError:
                    self._lost(process)

    def team(self, format: str, seed: Seed) -> str:
        """A random team of the format, packed."""
        return self._ask(["team", format, ",".join(map(str, seed))])

    def validate(self, format: str, team: str) -> list[str]:
        """What the format's rules have against a packed team; [] if nothing."""
        return self._ask(["validate", format, team])

    def _send(self, battle: int, command: list[Any]) -> None:
        process = self._nodes[battle % len(self._nodes)]
        if process.ended:
            raise BridgeError("The simulator process of this battle has ended: call restart() first.", [battle])
        process.queue.append(command)

    def _ask(self, command: list[Any]) -> Any:
        """The answer to a command that is no battle's."""
        process = self._nodes[0]
        if process.busy:
            self._read(process)
        self._send(0, command)
        self.flush()
        return self._read(process)

    def _read(self, process: "_Node") -> Any:
        """Read a process's answer to a round. Updates become ready; another answer is returned."""
        try:
            answers = process.read(self._timeout)
        except TimeoutError:
            self._lost(process, f"did not answer within {self._timeout:g} s")
        except EOFError:
            self._lost(process)
        answer: Any = None
        failed: dict[int, str] = {}
        refused = ""
        for item in answers:
            if isinstance(item, list):
                serial, side, lines, request, winner = item
                if (battle := self._battles.get(serial)) is None:
                    continue  # it was stopped meanwhile
                self._ready.append(Update(battle, side, lines.split("\n")[:-1], request, winner))
                if winner is not None and side == 1:
                    del self._serials[battle], self._battles[serial]
                    self.finished += 1
            elif "answer" in item:
                answer = item["answer"]
            elif item["battle"] is None:
                refused = item["failed"]
            elif item["battle"] in self._battles:
                failed[self._battles[item["battle"]]] = item["failed"]
        if failed:
            self._forget(list(failed))
            battle, reason = next(iter(failed.items()))
            raise BridgeError(f"Battle {battle} did not begin: {reason}", failed)
        if refused:
            raise BridgeError(refused)
        return answer

    def _forget(self, battles: list[int]) -> None:
        """Take battles, which are not over, out of all lists."""
        for battle in battles:
            del self._battles[self._serials.pop(battle)]
        self._ready = [update for update in self._ready if update.winner is not None or update.battle not in battles]

    def _lost(self, process: "_Node", reason: str = "") -> None:
        """Raise the error of a process that ended or hangs."""
        ending = process.close(kill=True)
        index = self._nodes.index(process)
        lost = [battle for battle in self._serials if battle % len(self._nodes) == index]
        self._forget(lost)
        battles = "1 battle was" if len(lost) == 1 else f"{len(lost)} battles were"
        raise BridgeError(
            f"A simulator process {reason or ending}: {battles} lost, {self.finished} were finished. "
            "restart() starts it again.",
            lost,
        )


def _readable(descriptors: Iterable[int], timeout: float) -> list[int]:
    """Those that can be read, after up to `timeout` seconds. Unlike select, poll takes any number of open files."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return [descriptor for descriptor, _ in poll.poll(timeout * 1000)]


class _Node:
    """One Node process: a line is written, then its answer is read, so that neither waits for the other to read."""

    def __init__(self, command: list[str]):
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the process
        # A session of its own, so that Ctrl-C reaches Python alone; the end of its input ends it, however we die.
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._errors}
        self._process = subprocess.Popen(command, bufsize=0, start_new_session=True, **pipes)  # type: ignore[call-overload]
        assert self._process.stdin and self._process.stdout
        self._input, self.output = self._process.stdin.fileno(), self._process.stdout.fileno()
        self.pid = self._process.pid
        self.queue: list[list[Any]] = []
        self.busy = self.ended = False

    def write(self) -> None:
        rest = memoryview(json.dumps(self.queue).encode() + b"\n")
        self.queue.clear()
        self.busy = True
        while rest:
            rest = rest[os.write(self._input, rest) :]

    def read(self, timeout: float) -> list[Any]:
        parts: list[bytes] = []
        deadline = time.monotonic() + timeout
        while not parts or not parts[-1].endswith(b"\n"):
            if not _readable([self.output], max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            parts.append(os.read(self.output, 1 << 20))
            if not parts[-1]:
                raise EOFError
        self.busy = False
        return json.loads(b"".join(parts))

    def close(self, kill: bool = False) -> str:
        """End the process. Returns how it ended."""
        if self.ended:
            return "ended"
        self.busy, self.ended = False, True
        self.queue.clear()
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(1 if kill else 5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with self._errors as file:
            file.seek(0)
            lines = [line for line in file.read().decode(errors="replace").splitlines() if "Error" in line]
        code = self._process.returncode
        how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
        return how + (f" ({lines[0].strip()[:200]})" if lines else "")
