"""The provider keeps what every provider on model servers promises."""

from anthropic_wire import Fault
from upstream_contract import UpstreamContract


class TestAnthropic(UpstreamContract):
    fault = Fault
