"""Films of play: whole episodes as a video or a GIF of what is seen on the screen."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium

from pokegen.errors import UserError
from pokegen.files import atomic_file, writable_file
from pokegen.game.play import episode
from pokegen.game.players import Player
from pokegen.game.video.codec import FPS, video_frame
from pokegen.optional import require

FILMS = (".mp4", ".mkv", ".m4v", ".mov", ".avi", ".ts", ".flv", ".gif")  # what `film` writes: those that hold H.264


def film(env: gymnasium.Env, player: Player, out: Path, episodes: int, seed: int) -> Iterator[tuple[float, int]]:
    """Play whole episodes and write what is seen, in its own size and at the environment's rate: H.264, or a GIF.

    Yields the return and the steps of each episode. The nth is reset with seed + n. An existing file is replaced.
    """
    if out.suffix.lower() not in FILMS:
        raise UserError(f"Cannot write a video to {out.name}: end it in .mp4, .mkv or .gif.")
    av = require("av")
    rate = round(env.metadata.get("render_fps") or FPS)
    inner: Any = env.unwrapped
    if hasattr(inner, "ale"):
        rate = 60 // 4  # a step is four of a console's frames, whatever renders
    writable_file(out)
    with atomic_file(out, out.suffix) as part, av.open(str(part.name), "w") as file:
        stream: Any = None
        for number in range(episodes):
            total, steps = 0.0, 0
            for step in episode(env, player, seed + number, render=True):
                frame: Any = step.frame
                if stream is None:
                    codec, pixels = ("gif", "rgb8") if out.suffix.lower() == ".gif" else ("libx264", "yuv420p")
                    stream = file.add_stream(codec, rate=rate)
                    height, width = (side - side % 2 for side in frame.shape[:2])  # as that pixel format needs
                    stream.height, stream.width, stream.pix_fmt = height, width, pixels
                file.mux(stream.encode(video_frame(frame[:height, :width])))
                total, steps = total + step.reward, steps + 1
            yield total, steps
        file.mux(stream.encode(None))
