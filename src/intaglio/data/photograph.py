"""From the content of one image file to pixels: orientation, transparency and depth made right, and a given size."""

import io
import re
from typing import Literal, NamedTuple

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

# With the others left out, a file cannot choose the least tried of Pillow's fifty readers. What Pillow calls MPO is a
# JPEG of several pictures, as telephones write them.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "AVIF")
WHITE_16_BIT = 65535
# libjpeg's warning about what some cameras write; more bytes than this are what is left of damaged data.
EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker")
MOST_EXTRANEOUS = 8
# The decoder reduces a large JPEG while it decodes, but never to less than this times the side that is asked for.
REDUCED_TO = 2
QUALITY = 95

Fit = Literal["crop", "pad", "stretch"]


class BadImageError(Exception):
    """A file that cannot be decoded as the image that it was; the text says why."""


class Photograph(NamedTuple):
    """A decoded image.

    Attributes:
        image: of the given size, with the mode RGB or L.
        size: width and height in the file, upright.
        format: JPEG, PNG, ...
    """

    image: Image.Image
    size: tuple[int, int]
    format: str

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The image as uint8 H x W x C."""
        pixels = np.asarray(self.image)
        return pixels if pixels.ndim == 3 else pixels[..., np.newaxis]


def decode(content: bytes, side: int, channels: int, fit: Fit) -> Photograph:
    """Decode the content of a file; of several pictures in it the first.

    Args:
        content: of the file.
        side: height and width to give it.
        channels: 3 for colour, 1 for grey.
        fit: see `params.data.Photographs`.

    Raises:
        BadImageError: it is not an image of a known format, is cut short or damaged, or has too many pixels.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            kind = "JPEG" if image.format == "MPO" else image.format or ""
            size = image.size
            if kind == "JPEG":
                _check_jpeg(content, image.mode)
                if fit != "stretch":
                    # The longer side has to stay long enough, too: draft looks at both.
                    image.draft(None, _reduced(size, side))
            image.load()
            upright = _upright(image)
            size = size if (upright.width < upright.height) == (size[0] < size[1]) else size[::-1]
            sized = _sized(_flat(upright, "RGB" if channels == 3 else "L"), side, fit)
    except BadImageError:
        raise
    except Image.DecompressionBombError as error:
        raise BadImageError("has too many pixels: it may be a decompression bomb") from error
    except UnidentifiedImageError as error:
        raise BadImageError("is not an image of a known format, or is cut short in its header") from error
    except Exception as error:  # Pillow's readers raise whatever a damaged file leads them to
        raise BadImageError(f"cannot be decoded: {error}") from error
    return Photograph(sized, size, kind)


def encode(image: Image.Image) -> bytes:
    """An image as a JPEG with colour at full resolution (4:4:4)."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY, subsampling=0)
    return file.getvalue()


def difference_hash(image: Image.Image) -> int:
    """64 bits that stay nearly the same when an image is compressed or resized: is each of 8 x 8 places brighter
    than its right neighbour?

    Source: N. Krawetz, "Kind of Like That", 2013.
    """
    if image.width >= 64:
        image = image.reduce(image.width // 32)
    small = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX))
    bits = np.packbits(small[:, :-1] > small[:, 1:])
    return int.from_bytes(bits.tobytes(), "big")


def _check_jpeg(content: bytes, mode: str) -> None:
    """Raise BadImageError where libjpeg warns of damage: Pillow decodes on in silence, with noise in the image."""
    space = {"L": "GRAY", "CMYK": "CMYK"}.get(mode, "RGB")
    try:
        simplejpeg.decode_jpeg(content, space, fastdct=True, min_height=1, min_width=1)
    except ValueError as error:
        harmless = EXTRANEOUS.search(str(error))
        if harmless is None or int(harmless[1]) > MOST_EXTRANEOUS:
            raise BadImageError(f"is damaged: {error}") from error


def _reduced(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The least size to which the decoder may reduce an image."""
    factor = max(1.0, min(size) / (REDUCED_TO * side))
    return round(size[0] / factor), round(size[1] / factor)


def _upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF data says; as it is where those cannot be read."""
    try:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
        return ImageOps.exif_transpose(image) if turned else image
    except Exception:  # whatever damaged EXIF data lead Pillow to; they are no part of the picture
        return image


def _flat(image: Image.Image, mode: str) -> Image.Image:
    """The image as 8-bit colour or grey, transparent parts white."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image)
        top = 1.0 if image.mode == "F" else WHITE_16_BIT
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > top:
            # What is white cannot be known: the same file would be black by one rule and white by another.
            raise BadImageError(f"has values beyond 0 to {top}; convert it to 8 or 16 bits")
        image = Image.fromarray(np.rint(values.astype(np.float64) * (255 / top)).astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert("RGB").convert(mode)


def _sized(image: Image.Image, side: int, fit: Fit) -> Image.Image:
    """The image at side x side, reduced with anti-aliasing."""
    width, height = image.size
    if image.size == (side, side):
        return image
    if fit == "stretch":
        return image.resize((side, side), Image.Resampling.BILINEAR)
    if fit == "crop":
        # The middle is cut out before it is resized: the whole of a 1 x 100,000 image could be too large.
        square = min(width, height)
        left, top = (width - square) / 2, (height - square) / 2
        return image.resize((side, side), Image.Resampling.BILINEAR, box=(left, top, left + square, top + square))
    longer = max(width, height)
    inside = max(1, round(width * side / longer)), max(1, round(height * side / longer))
    padded = Image.new(image.mode, (side, side))
    padded.paste(image.resize(inside, Image.Resampling.BILINEAR), ((side - inside[0]) // 2, (side - inside[1]) // 2))
    return padded
