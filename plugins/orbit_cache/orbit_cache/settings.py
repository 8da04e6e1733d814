"""The keys of a ``cache:`` section."""

from typing import Annotated

import msgspec
from msgspec import Meta


class CacheSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How long and how many answers are kept, and which."""

    ttl: Annotated[float, Meta(gt=0, description="Seconds that an answer is kept.")] = 3600.0
    max_bytes: Annotated[
        int, Meta(ge=1, description="Memory for answers, in bytes, in each worker; the least recently used go first.")
    ] = 64_000_000
    sampled: Annotated[
        bool, Meta(description="Also keep answers to requests that name a temperature above 0 and no seed.")
    ] = False
    wait: Annotated[
        float,
        Meta(
            ge=0,
            description="Seconds that a request waits for the answer to an equal one before it asks the model itself; "
            "0: not at all.",
        ),
    ] = 30.0
