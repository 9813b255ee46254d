"""Photos from anywhere: odd formats come out as BGR, broken files say why."""

import io
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from slyk import photos
from slyk.datasets.raw import Raw
from slyk.errors import PhotoError
from slyk.photos import Canvas, decode_photo, header_size, read_photo


def ramp(height: int = 40, width: int = 60) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 255 / height, columns * 255 / width, 0 * rows + 128], axis=-1).astype(np.uint8)


def reason(path: Path, **limits: int) -> str:
    with pytest.raises(PhotoError) as error:
        read_photo(path, **limits)
    return error.value.reason


def encoded(suffix: str, image: np.ndarray) -> bytes:
    done, data = cv2.imencode(suffix, image)
    assert done
    return bytes(data)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".jpg", ".webp"])
def test_formats_and_header_sizes(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo{suffix}"
    path.write_bytes(encoded(suffix, ramp()))
    photo = read_photo(path)
    assert photo.dtype == np.uint8 and photo.shape == (40, 60, 3)
    assert np.abs(photo.astype(int) - ramp()).mean() < 4
    assert header_size(path.read_bytes()) == (60, 40)


def test_grey_transparent_and_16_bit_become_bgr(tmp_path: Path) -> None:
    grey, deep, clear = (tmp_path / name for name in ("grey.png", "deep.png", "clear.png"))
    grey.write_bytes(encoded(".png", ramp()[..., 0]))
    deep.write_bytes(encoded(".png", ramp().astype(np.uint16) * 257))
    clear.write_bytes(encoded(".png", np.dstack([ramp(), np.full((40, 60), 7, np.uint8)])))
    assert (read_photo(grey) == ramp()[..., :1]).all()
    assert (read_photo(deep) == ramp()).all()
    assert (read_photo(clear) == ramp()).all()


def with_exif(jpeg: bytes, order: str, orientation: int) -> bytes:
    """The JPEG with an EXIF segment of one entry."""
    mark = {"<": b"II*\0", ">": b"MM\0*"}[order]
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = mark + struct.pack(f"{order}IH", 8, 1) + entry + b"\0\0\0\0"
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", 8 + len(tiff)) + b"Exif\0\0" + tiff + jpeg[2:]


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_orientation_is_applied(tmp_path: Path, order: str) -> None:
    """Orientation 6: the camera lay on its side; row 0 of the file is the right edge of the upright photo."""
    path = tmp_path / "phone.jpg"
    path.write_bytes(with_exif(encoded(".jpg", ramp()), order, 6))
    photo = read_photo(path)
    assert photo.shape == (60, 40, 3)
    assert np.abs(photo.astype(int) - np.rot90(ramp(), -1)).mean() < 4


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(10))
def test_jpegs_are_as_opencv_reads_them(order: str, orientation: int) -> None:
    data = with_exif(encoded(".jpg", ramp()), order, orientation)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(decode_photo(data, "phone"), expected)


def test_jpegs_of_one_and_of_four_channels() -> None:
    grey = encoded(".jpg", np.ascontiguousarray(ramp()[..., 0]))
    expected = cv2.imdecode(np.frombuffer(grey, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(decode_photo(grey, "grey"), expected)
    kept = io.BytesIO()
    Image.fromarray(ramp()).convert("CMYK").save(kept, "JPEG", quality=95)
    assert np.abs(decode_photo(kept.getvalue(), "print").astype(int) - ramp()[..., ::-1]).mean() < 6


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".jpg", ".webp"])
@pytest.mark.parametrize("share", [0.03, 0.5, 0.97])
def test_cut_files_are_truncated(tmp_path: Path, suffix: str, share: float) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    data = encoded(suffix, noise)
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(data[: int(len(data) * share)])
    assert reason(path) == "truncated"


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".jpg", ".webp"])
def test_files_cut_within_the_header_are_refused(suffix: str) -> None:
    data = encoded(suffix, ramp())
    for size in range(3, 80):
        with pytest.raises(PhotoError):
            decode_photo(data[:size], "cut")


def test_a_cut_jpeg_is_not_saved_by_its_thumbnail(tmp_path: Path) -> None:
    """The thumbnail inside EXIF has an end-of-image marker of its own."""
    jpeg, thumbnail = encoded(".jpg", ramp(200, 300)), encoded(".jpg", ramp())
    segment = b"\xff\xe1" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail
    path = tmp_path / "phone.jpg"
    path.write_bytes(jpeg[:2] + segment + jpeg[2:])
    assert read_photo(path).shape == (200, 300, 3)
    path.write_bytes((jpeg[:2] + segment + jpeg[2:])[:-200])
    assert reason(path) == "truncated"


def test_bytes_after_the_end_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "motion.jpg"
    path.write_bytes(encoded(".jpg", ramp()) + b"a short film" * 20)
    assert read_photo(path).shape == (40, 60, 3)


@pytest.mark.parametrize("size", [(20_000, 20_000), (40_000, 2)])
def test_a_huge_header_is_refused_before_decoding(tmp_path: Path, size: tuple[int, int]) -> None:
    header = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)))
    assert reason(path) == "too_many_pixels"


def test_reasons_of_other_broken_files(tmp_path: Path) -> None:
    assert reason(tmp_path / "absent.jpg") == "not_found"
    assert reason(tmp_path) == "unreadable"  # a folder
    os.mkfifo(tmp_path / "pipe.jpg")
    assert reason(tmp_path / "pipe.jpg") == "unreadable"
    with pytest.raises(PhotoError, match="not a regular file"):
        Raw(tmp_path).read("pipe.jpg")
    (tmp_path / "empty.jpg").write_bytes(b"")
    assert reason(tmp_path / "empty.jpg") == "empty_file"
    (tmp_path / "text.jpg").write_text("this is a letter")
    assert reason(tmp_path / "text.jpg") == "not_a_photo"
    assert reason(tmp_path / "text.jpg", max_bytes=4) == "too_large_file"
    (tmp_path / "noise.jpg").write_bytes(b"\xff\xd8\xff" + bytes(range(256)))
    assert reason(tmp_path / "noise.jpg") in ("unreadable", "truncated")
    png = bytearray(encoded(".png", ramp()))
    png[60:90] = bytes(30)
    (tmp_path / "broken.png").write_bytes(png)
    assert reason(tmp_path / "broken.png") == "unreadable"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "locked.png"
    path.write_bytes(encoded(".png", ramp()))
    path.chmod(0)
    assert reason(path) == "unreadable"


def damaged_progressive(seed: int) -> bytes:
    """A progressive JPEG that loses its way within a scan: libjpeg warns, then gives up."""
    noise = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (346, 260, 3), dtype=np.uint8), (0, 0), 2)
    done, data = cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_QUALITY, 85, cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    assert done
    whole, start = bytearray(bytes(data)), len(data) // 3
    whole[start : start + 512] = np.random.default_rng(seed).integers(0, 256, 512, dtype=np.uint8).tobytes()
    return bytes(whole)


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_photo_never_shows_what_was_in_memory_before(seed: int) -> None:
    """The photo before it, on the same canvas: another person."""
    told = []
    for level in (0, 255):
        canvas = Canvas()
        canvas.of(260, 346)[:] = level
        try:
            told.append(decode_photo(damaged_progressive(seed), "b.jpg", canvas=canvas).copy())
        except PhotoError as error:
            assert error.reason == "unreadable"
            told.append(np.zeros(0, np.uint8))
    np.testing.assert_array_equal(told[0], told[1])


@pytest.mark.parametrize("marker", [0x01, 0xD0, 0xD8, 0xD9])
def test_a_header_that_hides_another_is_refused(marker: int) -> None:
    """Decoders know that these markers have no length, and would find the true size in what is stepped over."""
    large = encoded(".jpg", np.zeros((64, 9000, 3), np.uint8))
    small = encoded(".jpg", np.zeros((8, 8, 3), np.uint8))
    hidden = small[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(large)) + large[2:] + small[2:]
    with pytest.raises(PhotoError) as caught:
        decode_photo(hidden, "a.jpg")
    assert caught.value.reason == "unreadable"


def test_padding_without_end_is_refused_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "_MAX_HEADER", 5000)
    jpeg = encoded(".jpg", ramp())
    assert decode_photo(jpeg[:2] + b"\xff" * 4000 + jpeg[2:], "a.jpg").shape == (40, 60, 3)
    with pytest.raises(PhotoError, match="unreadable"):
        decode_photo(jpeg[:2] + b"\xff" * 6000 + jpeg[2:], "a.jpg")
