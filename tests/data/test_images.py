"""Pictures: upright, in their colours, on white, on their own grid."""

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw

from pokegen import images
from pokegen.images import MARGIN, as_judged, framed, indexed, on_white, own_grid, read_picture

RED, WHITE = (200, 30, 30), [255, 255, 255]


def blob(mode="RGBA", size=(60, 40), box=(10, 5, 49, 34), color=(200, 30, 30, 255)):
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse(box, fill=color)
    return image.convert(mode)


def art(height=30, width=20, colors=9, seed=0):
    """Pixel art (H, W, 3) whose pixels are all drawn."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 240, (colors, 3), np.uint8)[rng.integers(0, colors, (height, width))]


def enlarged(picture, k):
    return picture.repeat(k, axis=0).repeat(k, axis=1)


def of_colors(picture):
    return {tuple(c) for c in picture.reshape(-1, 3).tolist()}


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA"])
def test_transparency_becomes_white_and_the_creature_fills_the_square(mode):
    image = blob("RGBA").quantize(16) if mode == "P" else blob(mode)
    pixels = framed(on_white(image))
    assert pixels.shape == (128, 128, 3)
    assert pixels.dtype == np.uint8
    margin = round(128 * MARGIN)
    border = np.concatenate([pixels[:margin].ravel(), pixels[-margin:].ravel(), pixels[:, :margin].ravel()])
    assert (border == 255).all()
    columns = np.flatnonzero((pixels.min(axis=2) < 250).any(axis=0))
    assert columns[0] == margin  # the longer edge reaches the margin on both sides
    assert columns[-1] == 127 - margin


def test_pixel_art_is_enlarged_without_new_colours():
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 20, 40))
    image.paste((0, 0, 255, 255), (20, 0, 40, 40))
    assert len(of_colors(framed(on_white(image)))) == 3  # red, blue, white


def test_artwork_is_reduced_to_the_same_frame():
    pixels = framed(on_white(blob(size=(600, 600), box=(100, 200, 499, 399))))
    rows = np.flatnonzero((pixels.min(axis=2) < 250).any(axis=1))
    assert 58 <= rows[-1] - rows[0] <= 62  # 200 of 400 pixels, scaled to 120 wide


def test_an_opaque_background_of_one_colour_becomes_white():
    image = Image.new("RGB", (80, 80), (0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.ellipse((20, 20, 60, 60), fill=(250, 200, 10))
    draw.ellipse((35, 35, 45, 45), fill=(0, 0, 0))  # an eye, which no corner reaches
    picture = on_white(image)
    assert picture[0, 0].tolist() == WHITE
    assert picture[3, 20].tolist() == [250, 200, 10]
    assert picture[20, 20].tolist() == [0, 0, 0]


@pytest.mark.parametrize("ground", [(0, 200, 0), (255, 255, 255)])
def test_of_an_opaque_palette_picture_only_the_ground_that_reaches_the_border_is_background(tmp_path, ground):
    """The ground's own index stands in the creature too, and between its legs, cut off from the corners."""
    indices = np.zeros((64, 64), np.uint8)
    indices[10:40, 10:54] = 1
    indices[40:, 10:16] = indices[40:, 48:54] = 1  # legs down to the border
    indices[21:30, 21:30] = 0  # belly, on odd pixels: the picture is no enlargement
    image = Image.fromarray(indices).convert("P")
    image.putpalette([*ground, *RED])
    image.save(tmp_path / "p.png")
    picture = on_white(read_picture(tmp_path / "p.png"))
    assert picture.shape == (54, 44, 3)
    assert picture[15, 15].tolist() == list(ground)
    assert picture[40, 20].tolist() == WHITE
    assert picture[:, 0].tolist() == [list(RED)] * 54


def test_a_background_with_the_noise_of_a_jpeg_becomes_white_and_another_picture_stays():
    rng = np.random.default_rng(0)
    noise = rng.integers(-3, 4, (80, 80, 3))
    gray = np.clip(np.full((80, 80, 3), 128) + noise, 0, 255).astype(np.uint8)
    gray[20:60, 20:60] = RED
    assert on_white(Image.fromarray(gray)).shape == (40, 40, 3)
    gray[0, 0] = (128, 0, 0)  # one corner unlike the others: no even background
    assert on_white(Image.fromarray(gray)).shape == (80, 80, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_stands_as_its_metadata_say(orientation, tmp_path):
    upright = Image.new("RGB", (60, 40), "white")
    upright.paste(RED, (0, 0, 30, 20))
    turns = [None, 0, 3, 1, 5, 2, 6, 4]  # how to store it so that EXIF's 1 to 8 turn it back
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(turns[orientation - 1]))
    exif = Image.Exif()
    exif[274] = orientation
    stored.save(tmp_path / "photo.png", exif=exif)
    assert (np.asarray(read_picture(tmp_path / "photo.png").convert("RGB")) == np.asarray(upright)).all()


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits_of_gray_are_the_same_drawing_as_eight(suffix, tmp_path):
    gray = np.full((40, 60), 255, np.uint8)
    gray[10:30, 10:50] = np.arange(40) * 5
    Image.fromarray(gray.astype(np.uint16) * 257).save(tmp_path / f"sixteen.{suffix}")
    assert (np.asarray(read_picture(tmp_path / f"sixteen.{suffix}"))[..., 0] == gray).all()


@pytest.mark.parametrize(
    ("values", "top"), [(np.float32, 1), (np.float32, 255), (np.float32, 1000), (np.int32, 255), (np.int32, 65535)]
)
def test_other_gray_is_brought_to_eight_bits_by_its_range(values, top):
    gray = np.zeros((20, 20))
    gray[5:] = top / 2
    gray[10:] = top
    seen = np.asarray(images.rgba(Image.fromarray(gray.astype(values))))[..., 0]
    assert seen[0, 0] == 0 and abs(int(seen[7, 0]) - 127) <= 1 and seen[-1, 0] == 255


def in_lab(image):
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return ImageCms.profileToProfile(image, srgb, lab, outputMode="LAB")


@pytest.mark.parametrize("mode", ["L", "1", "RGB", "CMYK", "YCbCr", "HSV", "LAB", "RGBa", "I", "F"])
def test_every_mode_is_read(mode):
    image = blob("RGBA" if mode == "RGBa" else "RGB", color=(200, 200, 200, 255))
    height, width, _ = on_white(in_lab(image) if mode == "LAB" else image.convert(mode)).shape
    assert abs(height - 30) <= 2 and abs(width - 40) <= 3  # in two colours it is dithered


def test_cmyk_and_lab_keep_their_colours():
    for image in (Image.new("RGB", (40, 40), RED).convert("CMYK"), in_lab(Image.new("RGB", (40, 40), RED))):
        assert np.abs(np.asarray(images.rgba(image))[5, 5, :3].astype(int) - RED).max() <= 6


def test_a_colour_profile_counts_and_a_broken_one_does_not():
    image = Image.new("RGB", (20, 20), (100, 100, 100))
    assert np.asarray(images.rgba(image))[0, 0, 0] == 100
    image.info["icc_profile"] = b"no profile"
    assert np.asarray(images.rgba(image))[0, 0, 0] == 100
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.info["icc_profile"] = srgb
    assert np.asarray(images.rgba(image))[0, 0, 0] == 100
    swapped = srgb.replace(b"rXYZ", b"oXYZ").replace(b"gXYZ", b"rXYZ").replace(b"oXYZ", b"gXYZ")  # whose red is green
    red = Image.new("RGB", (20, 20), (200, 0, 0))
    red.info["icc_profile"] = swapped.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    assert np.abs(np.asarray(images.rgba(red))[0, 0].astype(int) - (0, 200, 0, 255)).max() <= 2


@pytest.mark.parametrize("across", [True, False])
def test_of_a_strip_the_first_frame_is_taken(across):
    frames = [np.asarray(blob(size=(64, 64), box=(10 + i, 8, 50, 60))) for i in range(4)]
    strip = Image.fromarray(np.concatenate(frames, axis=1 if across else 0))
    assert (on_white(strip) == on_white(Image.fromarray(frames[0]))).all()


def test_a_long_creature_and_a_wide_photo_are_no_strips():
    assert on_white(blob(size=(128, 64), box=(4, 4, 123, 59))).shape == (56, 120, 3)
    photo = np.random.default_rng(0).integers(0, 200, (64, 128, 3), np.uint8)
    assert on_white(Image.fromarray(photo)).shape == (64, 128, 3)


def test_what_is_no_picture_or_too_large_gives_a_reason(tmp_path, monkeypatch):
    (tmp_path / "text.png").write_text("x")
    with pytest.raises(ValueError, match=r"^unreadable"):
        read_picture(tmp_path / "text.png")
    with pytest.raises(ValueError, match=r"^not a file"):
        read_picture(tmp_path)
    Image.new("L", (9000, 8000)).save(tmp_path / "large.png")
    with pytest.raises(ValueError, match=r"^too large \(9000×8000; 64,000,000 pixels at most\)"):
        read_picture(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000_000)
    with pytest.raises(ValueError, match=r"^too large"):
        read_picture(tmp_path / "large.png")


def test_a_picture_that_starts_a_program_is_not_opened(tmp_path):
    (tmp_path / "drawing.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n%%EOF\n")
    with pytest.raises(ValueError, match="not a picture of a known format"):
        read_picture(tmp_path / "drawing.png")


def test_a_photo_of_many_pixels_is_reduced_before_its_background_is_searched(monkeypatch):
    import scipy.ndimage

    seen = []
    label = scipy.ndimage.label
    monkeypatch.setattr(scipy.ndimage, "label", lambda mask: seen.append(mask.shape) or label(mask))
    photo = Image.new("RGB", (4000, 3000), (128, 128, 128))
    ImageDraw.Draw(photo).ellipse((1001, 801, 3003, 2002), fill=RED)
    picture = on_white(photo)
    assert max(seen[0]) <= 1024
    assert abs(picture.shape[1] - 2003 / 4) < 2 and abs(picture.shape[0] - 1202 / 4) < 2
    assert picture[0, 0].tolist() == WHITE


@pytest.mark.parametrize("k", [2, 3, 40])
def test_a_whole_number_enlargement_is_undone(k):
    picture = art()
    assert (own_grid(enlarged(picture, k)) == picture).all()


def test_own_grid_leaves_what_is_no_enlargement_and_eight_pixels_a_side():
    picture = enlarged(art(), 3)
    picture[1, 1] ^= 1
    assert own_grid(picture) is picture or own_grid(picture).shape == picture.shape
    assert own_grid(np.zeros((64, 64, 3), np.uint8)).shape == (8, 8, 3)


def test_enlarged_pixel_art_beyond_the_working_size_keeps_every_pixel():
    picture = art(50, 60, 12)
    image = Image.fromarray(enlarged(picture, 35))  # 2100 pixels wide, no multiple of a reduction
    assert (on_white(image) == picture).all()


def test_a_native_sprite_keeps_every_pixel():
    picture = art(48, 62, 15)
    for k in (1, 2, 4):
        seen = indexed(enlarged(picture, k))
        assert not seen.reduced
        assert (seen.rgb[8:56, 1:63] == picture).all()
        assert (seen.rgb == 255).all(axis=2).sum() == 64 * 64 - 48 * 62
        assert seen.palette.shape == (16, 3) and seen.palette[0].tolist() == WHITE


@pytest.mark.parametrize(("height", "width", "colors"), [(90, 96, 12), (40, 40, 200), (150, 120, 200)])
def test_a_reduction_keeps_to_sixteen_colours_and_says_so(height, width, colors):
    picture = art(height, width, colors)
    seen = indexed(picture)
    assert seen.reduced
    assert len(of_colors(seen.rgb)) <= 16
    if colors <= 15:  # a smaller picture of the same colours
        assert of_colors(seen.rgb) <= of_colors(picture) | {(255, 255, 255)}


def test_a_sprite_and_its_doubling_are_judged_alike():
    sprite = np.full((64, 64, 3), 255, np.uint8)
    sprite[7:57, 12:42] = art(50, 30)
    judged = as_judged(sprite)
    assert judged.shape == (128, 128, 3)
    assert (as_judged(enlarged(sprite, 2)) == judged).all()
    assert (as_judged(np.roll(sprite, 3, axis=0)) == judged).all()
    assert (as_judged(np.full((64, 64, 3), 255, np.uint8)) == 255).all()
