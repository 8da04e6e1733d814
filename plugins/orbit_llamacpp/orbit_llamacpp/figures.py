"""The engine's counters as metrics."""

from __future__ import annotations

from collections.abc import Mapping

from orbit_llamacpp.client import State
from orbit_llamacpp.protocol import Stats


def figures(stats: Stats, state: State) -> Mapping[str, float]:
    """Return the metrics by name, as listed in the README. Names of counters end in ``_total``."""
    return {
        "up": state.running,
        "restarts_total": state.restarts,
        "sequences": stats.parallel,
        "sequences_busy": stats.running,
        "queued": stats.queued,
        "requests_total": stats.requests,
        "cancelled_total": stats.cancelled,
        "failed_total": stats.failed,
        "read_tokens_total": stats.prompt_tokens,
        "read_seconds_total": stats.prompt_seconds,
        "written_tokens_total": stats.decoded_tokens,
        "written_seconds_total": stats.decode_seconds,
        "batches_total": stats.decode_steps,
        "reused_tokens_total": stats.cached_tokens,
        "reused_prompts_total": stats.prefix_hits,
        "kept_prompts": stats.snapshots,
        "kept_bytes": stats.snapshot_bytes,
        "embedded_texts_total": stats.embedded_texts,
        "split_texts_total": stats.split_texts,
    }
