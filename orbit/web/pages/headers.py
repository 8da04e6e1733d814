"""The headers that keep the pages harmless, whatever an answer, a file name or an error text says.

``nosniff``, ``Referrer-Policy`` and ``X-Frame-Options`` go with every response of the server. Browsers that know
``frame-ancestors`` let it overrule ``X-Frame-Options``, which cannot name origins.
"""

from __future__ import annotations

from collections.abc import Sequence

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    # Text cannot become markup but through DOMPurify, even where a script forgets to ask it.
    "require-trusted-types-for": "'script'",
    "trusted-types": "dompurify",
}


def page_headers(frame_ancestors: Sequence[str] = ()) -> dict[str, str]:
    """The headers of a page, which only pages of the origins ``frame_ancestors`` may show in a frame."""
    policy = {**_POLICY, "frame-ancestors": " ".join(frame_ancestors) or "'none'"}
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }


def file_headers(*, cross_origin: bool = False) -> dict[str, str]:
    """The headers of a script or style sheet; ``cross_origin`` if pages of other origins may load it."""
    return {"Cross-Origin-Resource-Policy": "cross-origin" if cross_origin else "same-origin"}
