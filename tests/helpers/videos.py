"""Videos and recordings for tests: pictures that compression changes little, and files at chosen time stamps."""

import csv
from fractions import Fraction

import av
import numpy as np

from pokegen.game.video.codec import frames
from pokegen.game.video.recording import Recorder


def pixel_art(n, height=128, width=128, seed=0):
    """Noise of 16 colours in blocks of 2 pixels, and two sprites of 4 pixels that move: uint8 (n, H, W, 3)."""
    rng = np.random.default_rng(seed)
    palette = rng.integers(0, 256, (16, 3), dtype=np.uint8)
    ground = np.kron(rng.integers(0, 16, (height // 2, width // 2)), np.ones((2, 2), int))
    film = np.repeat(ground[None], n, axis=0)
    for t in range(n):
        film[t, 20:24, 3 * t % (width - 4) :][:, :4] = 1
        film[t, 2 * t % (height - 4) :, 60:64][:4] = 2
    return palette[film]


def shade(t):
    """A gray that tells frame t from those around it."""
    return 10 + 37 * t % 240


def shaded(n, height=128, width=128):
    return np.stack([np.full((height, width, 3), shade(t), np.uint8) for t in range(n)])


def write(path, film, keys=None, rewards=None, episodes=None):
    with Recorder(path) as recorder:
        for t, frame in enumerate(film):
            recorder.add(
                *(frame, keys[t] if keys else "none"),
                *(rewards[t] if rewards else 0.0, episodes[t] if episodes else 0),
            )
    return recorder


def encode(path, film, stamps, codec="mpeg4", space=None):
    """Outside video with frames at `stamps` seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30, options={"g": "12", "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = film.shape[2], film.shape[1], "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 600)
        stream.bit_rate = 8_000_000
        stream.codec_context.colorspace = {None: 2, "itu709": 1, "itu601": 6}[space]  # 2: not said
        for frame, stamp in zip(film, stamps, strict=True):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture = picture.reformat(format="yuv420p", dst_colorspace=space)
            picture.pts, picture.time_base = round(stamp * 600), Fraction(1, 600)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def write_keys(path, stamps, keys, **columns):
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["frame", "time", "key", *columns])
        rows.writerows(zip(range(len(keys)), stamps, keys, *columns.values(), strict=True))
    return path


def shades(path, **options):
    return [round(float(frame.mean())) for frame in frames(path, **options)]


def near(found, expected):
    return len(found) == len(expected) and all(abs(a - b) <= 4 for a, b in zip(found, expected, strict=True))


def psnr(found, expected):
    error = np.mean((np.asarray(found, float) - expected) ** 2, axis=tuple(range(1, np.ndim(expected))))
    return 10 * np.log10(255**2 / error)
