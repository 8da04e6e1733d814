"""The faults of MCP servers and of models that call their tools, and what comes of each."""

from __future__ import annotations

from typing import NamedTuple

Call = tuple[str, str]
TEXT = '{"text": "hi"}'
ROUNDS = 4
CALLS = 6
"""The limits of a turn."""
AWAY = "There is no tool '{}'."
GONE = "The server of this tool is not available at the moment."
USELESS = "The server of this tool gave an answer that cannot be used."
TOO_LARGE = "it sent a message that is larger than max_bytes"
LATE = "The tool gave no answer in time."


class Fault(NamedTuple):
    """The calls that a model makes, answer by answer, and what comes of the last one."""

    name: str
    rounds: tuple[tuple[Call, ...], ...]
    status: str
    model: str
    """What the model reads."""
    operator: str = ""
    """What the server log says."""
    made: int = 1
    """How many calls are made or refused in all."""
    gone: str = ""
    """The tool that is no longer offered when the model calls for the second time."""

    @property
    def server(self) -> str:
        """The name of the server, which the log names."""
        return self.rounds[-1][-1][0].split("_")[0]


def _start(name: str, server: str, operator: str) -> Fault:
    """A server that does not start: its tools are not offered, and a model that calls one reads so."""
    return Fault(name, (((f"{server}_echo", TEXT),),), "refused", AWAY, f"the MCP server {server}: {operator}")


def _call(name: str, tool: str, status: str, model: str, operator: str = "", arguments: str = TEXT) -> Fault:
    return Fault(name, (((tool, arguments),),), status, model, operator)


def _http(name: str, fault: str, operator: str) -> Fault:
    """A call that HTTP spoils: the model reads that the server is away, the operator why."""
    return _call(name, f"http-{fault}_{fault}", "error", GONE, f"'http-{fault}' is not available: {operator}")


FAULTS = [
    _start("a server exits at its start", "exits", "it ended (no licence found)"),
    _start("a server hangs at its start", "sleeps", "it did not start in time (start_timeout)"),
    _start("a server starts with garbage", "noisy", "it writes lines that are no messages"),
    _start("a server starts with a flood", "floods", TOO_LARGE),
    _start("a server speaks an unknown protocol", "old", "Unsupported protocol version"),
    _start("a server lists a wrong schema", "schema", "it sent what breaks the protocol: tools.0.inputSchema"),
    _start("a program is missing", "missing", "there is no program 'no-such-program-anywhere': install it"),
    _start("an address does not answer", "away", "it cannot be reached"),
    _start("an address refuses the key", "deny-url", "it answered HTTP 401"),
    _start("an address answers 500", "break-url", "it answered HTTP 500"),
    _start("an address is a web page", "page-url", "it answered with text/html instead of JSON"),
    _start("an address speaks an unknown protocol", "old-url", "Unsupported protocol version"),
    _start("an address breaks off", "close-url", "it broke off its answer"),
    _start("an address sends too much", "flood-url", TOO_LARGE),
    _start("an address sends an event without end", "event-url", TOO_LARGE),
    _start("an address sends events that say nothing", "trickle-url", "it did not start in time (start_timeout)"),
    _call("a server lists its tools without end", "endless_page7", "ok", "page7: hi", "endless lists more than"),
    _call("a server has two tools of a name", "twins_twin_one", "ok", "twin one: hi", "twins: the tool 'twin_one'"),
    _call("a server always has other tools", "restless_echo", "ok", "echo: hi"),
    _call("a server dies in a call", "dies_die", "error", GONE, "'dies' is not available: it ended"),
    _call("a server hangs in a call", "hangs_hang", "error", LATE, "'hangs' gave no answer within 0.5 s"),
    _call("a server answers 100 MB", "huge_huge", "error", GONE, "'huge' is not available: it sent a message that"),
    _call("a server writes garbage in between", "odd_garbage", "ok", "garbage came before"),
    _call("a server chatters", "odd_chatter", "ok", "chatter: hi"),
    _call(
        "a server answers what is no result",
        "lies_wrong",
        "error",
        USELESS,
        "the MCP server 'lies' answered what is no result of a tool: it sent what breaks the protocol: content",
    ),
    _call("a server refuses a call", "odd_refuse", "error", "The call failed: the disk is gone"),
    _call("a server refuses a call as if it had been late", "odd_late", "error", "The call failed: the disk is slow"),
    _call("a tool fails", "odd_fail", "error", "the disk is full"),
    _call("a server asks the model", "odd_sample", "ok", "not supported"),
    _call("a server asks its user", "odd_elicit", "ok", "not supported"),
    Fault(
        "a server renames its tools",
        ((("renames_rename", "{}"),), (("renames_echo", TEXT),)),
        "error",
        "There is no tool 'renames_echo', or it may not be called.",
        "renames changed its tools",
        made=2,
        gone="renames_echo",
    ),
    _http("an address refuses the key in a call", "deny", "it answered HTTP 401"),
    _http("an address answers a call with 500", "break", "it answered HTTP 500"),
    _http("an address has forgotten the session", "forget", "it answered HTTP 404"),
    _http("an address answers a call with a web page", "page", "it answered with text/html instead of JSON"),
    _http("an address breaks off in a call", "close", "it broke off its answer"),
    _http("an address ends its events before the result", "cut", "it ended its answer before the result"),
    _http("an address sends too much in a call", "flood", TOO_LARGE),
    _http("an address sends an event without end in a call", "event", TOO_LARGE),
    _call("an address answers what is no message", "http-garbage_garbage", "error", USELESS, "'http-garbage' answered"),
    _call("an address sends empty events in a call", "http-trickle_trickle", "error", LATE, "'http-trickle' gave no"),
    _call("an address refuses a call", "http-well_refuse", "error", "The call failed: the disk is gone"),
    _call("an address refuses a call as if late", "http-well_late", "error", "The call failed: the disk is slow"),
    _call("an address answers", "http-well_echo", "ok", "echo: hi"),
    Fault("the model calls forever", ((("well_echo", TEXT),),) * 99, "ok", "echo: hi", made=ROUNDS),
    Fault("the model calls all at once", ((("well_echo", TEXT),) * 99,), "refused", "No more calls are", made=99),
    _call("the model calls what is destructive", "well_wipe", "refused", AWAY),
    _call("the model calls what its key may not use", "well_fail", "refused", AWAY),
    _call("the model calls what there is not", "nothing", "refused", "Tools: well_echo"),
    _call("the model writes no JSON", "well_echo", "refused", "The arguments are not a JSON object.", arguments="{"),
    _call("the model breaks the schema", "odd_strict", "error", "text is missing", arguments="{}"),
]
BY_NAME = {fault.name: fault for fault in FAULTS}
TOOLS = frozenset(call[0] for fault in FAULTS for calls in fault.rounds for call in calls)
