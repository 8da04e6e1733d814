"""Security headers of the pages, against markup in answers, file names and error texts.

Every response of the server has ``nosniff``, ``Referrer-Policy`` and ``X-Frame-Options``. In current browsers
``frame-ancestors`` overrules ``X-Frame-Options``, which cannot name origins.
"""

from __future__ import annotations

from collections.abc import Sequence

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",  # a picture in a question or an answer is part of its text
    "font-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    # Text becomes markup through DOMPurify only, even if a script forgets to call it.
    "require-trusted-types-for": "'script'",
    "trusted-types": "dompurify",
}


def page_headers(frame_ancestors: Sequence[str] = ()) -> dict[str, str]:
    """Return the headers of a page that only the origins ``frame_ancestors`` may frame."""
    policy = {**_POLICY, "frame-ancestors": " ".join(frame_ancestors) or "'none'"}
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }


def file_headers(*, cross_origin: bool = False) -> dict[str, str]:
    """Return the headers of a script or style sheet. ``cross_origin`` lets pages of other origins load it."""
    return {"Cross-Origin-Resource-Policy": "cross-origin" if cross_origin else "same-origin"}
