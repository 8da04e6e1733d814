"""The provider keeps what every provider on model servers promises."""

from ollama_wire import Fault
from upstream_contract import UpstreamContract


class TestOllama(UpstreamContract):
    fault = Fault
