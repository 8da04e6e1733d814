"""What the streams of both kinds of completions carry besides text."""

from __future__ import annotations

import msgspec

from orbit.web.wires.checks import ParameterError
from orbit.web.wires.openai.sampling import SamplingRequest


class StreamOptions(msgspec.Struct, frozen=True):
    """What a stream carries besides text."""

    include_usage: bool | None = None


class StreamedRequest(SamplingRequest, frozen=True, kw_only=True):
    """The parameters of requests whose stream has options."""

    stream_options: StreamOptions | None = None

    @property
    def include_usage(self) -> bool:
        """Whether the stream ends with the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def check_stream(self) -> None:
        """Raise ParameterError for options of a stream that the client does not want."""
        if self.stream_options is not None and not self.stream:
            raise ParameterError("stream_options", "'stream_options' is only allowed when 'stream' is true.")
