"""What every protocol checks in a request."""

import pytest

from orbit import Tool
from orbit.config.model import Limits
from orbit.web.http.problems import RequestError
from orbit.web.wires.checks import ParameterError, check_chosen, check_size, check_tools


def test_attachments_and_the_rest_have_limits_of_their_own() -> None:
    limits = Limits(max_body_bytes=1000, max_attached_bytes=5000)
    check_size(6000, 5000, limits)
    with pytest.raises(ParameterError, match="at most 5000") as raised:
        check_size(6000, 5001, limits)
    assert (raised.value.status, raised.value.param) == (400, "messages")
    with pytest.raises(RequestError, match="larger than 1000") as large:
        check_size(6001, 5000, limits)
    assert large.value.status == 413


def test_tools_have_names_of_their_own_and_a_number() -> None:
    check_tools([Tool("a"), Tool("b")])
    with pytest.raises(ParameterError, match="Two tools have the name 'a'"):
        check_tools([Tool("a"), Tool("b"), Tool("a")])
    with pytest.raises(ParameterError, match="There are 257 tools"):
        check_tools([Tool(f"tool{number}") for number in range(257)])


def test_the_chosen_tool_is_one_of_the_request() -> None:
    check_chosen("a", [Tool("a")])
    with pytest.raises(ParameterError, match="'b', which is not in 'tools': a"):
        check_chosen("b", [Tool("a")])
    with pytest.raises(ParameterError, match="there are none"):
        check_chosen("b", [])
