"""The keys of the configuration section."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Language = Annotated[str, Meta(pattern=r"\A[A-Za-z][A-Za-z0-9_/-]*\Z")]


class OcrSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How Tesseract reads."""

    languages: Annotated[
        tuple[Language, ...],
        Meta(
            description="Languages of the pages by Tesseract's names, such as `[deu, eng]`; each one takes time.",
            min_length=1,
        ),
    ] = ("eng",)
    command: Annotated[str, Meta(description="Tesseract: a name on the PATH, or a path.", min_length=1)] = "tesseract"
    timeout: Annotated[float, Meta(gt=0, description="Seconds for one page or picture.")] = 60.0
    least_confidence: Annotated[
        float, Meta(ge=0, le=100, description="Leave out lines of which Tesseract is less sure, in percent.")
    ] = 30.0
