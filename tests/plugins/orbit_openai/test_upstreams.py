"""The provider keeps what every provider on model servers promises."""

from openai_wire import Fault
from upstream_contract import UpstreamContract


class TestOpenAI(UpstreamContract):
    fault = Fault
