"""Images and files in requests: taken by their content, or refused with a sentence."""

from __future__ import annotations

import base64

import pytest

from orbit.web.wires.attachments import BadAttachment, data_of, file_of, image_of, unpacked

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        ("data:image/png;base64,", "image/png"),
        ("DATA:Image/PNG;BASE64,", "image/png"),
        ("data:;base64,", ""),
        ("data:text/plain;charset=utf-8;base64,", "text/plain"),
    ],
)
def test_a_data_url_is_read_with_its_type(head: str, media_type: str) -> None:
    assert data_of(head + encoded(b"hello")) == (b"hello", media_type)


def test_base64_in_lines_is_read() -> None:
    assert unpacked("aGVs\r\nbG8=\n") == b"hello"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://example.org/cat.png", "not a data URL"),
        ("data:image/png", "not a data URL"),
        ("data:text/plain,hello", "not in base64"),
        ("data:image/png;base64,a*b=", "not valid base64"),
        ("data:image/png;base64,YQ", "not valid base64"),
        ("data:image/png;base64,ü", "not valid base64"),
        ("data:image/png;base64,", "is empty"),
    ],
)
def test_what_cannot_be_read_says_why(url: str, words: str) -> None:
    with pytest.raises(BadAttachment, match=words):
        data_of(url)


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\n\n\n\nWEBPVP8 ", "image/webp"),
    ],
)
def test_an_image_has_the_type_of_its_content(data: bytes, media_type: str) -> None:
    image = image_of(data, "low")
    assert (image.data, image.media_type, image.detail) == (data, media_type, "low")


@pytest.mark.parametrize("data", [b"<svg/>", b"BM", b"%PDF-1.7", PNG[1:], b"x" + PNG, b"RIFF1234WAVE"])
def test_what_models_cannot_look_at_is_refused(data: bytes) -> None:
    with pytest.raises(BadAttachment, match="PNG, JPEG, GIF or WebP"):
        image_of(data)


@pytest.mark.parametrize(
    ("text", "media_type"),
    [
        (encoded(b"hello"), "application/octet-stream"),
        ("data:text/csv;base64," + encoded(b"a,b"), "text/csv"),
        (encoded(b"%PDF-1.7"), "application/pdf"),
        ("data:text/plain;base64," + encoded(b"%PDF-1.7"), "application/pdf"),
    ],
)
def test_a_file_has_the_type_that_it_says_unless_its_content_says_better(text: str, media_type: str) -> None:
    file = file_of(text, "a.bin")
    assert (file.media_type, file.name) == (media_type, "a.bin")
