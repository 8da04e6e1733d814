"""LlamaIndex's OpenAILike, with its defaults."""

import openai
from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAIResponses
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel
from report import BASE, IMAGE, KEY, LINK, RAIN, SAID, feature, print_report

COMMON = {"model": "orbit", "api_base": BASE, "api_key": KEY, "max_retries": 0}
llm = OpenAILike(**COMMON, is_chat_model=True, is_function_calling_model=True)
HELLO = [ChatMessage("hello")]


class Weather(BaseModel):
    """A structured answer."""

    town: str
    rain: bool


def weather(town: str) -> str:
    """Return the weather of a town."""
    return f"Rain in {town}"


TOOL = FunctionTool.from_defaults(weather)


@feature("chat")
def chat():
    assert llm.chat(HELLO).message.content == SAID
    # By default the class takes a model to be none for chats, and sends a prompt.
    assert OpenAILike(**COMMON).complete("hello").text == SAID


@feature("stream")
def stream():
    assert "".join(piece.delta or "" for piece in llm.stream_chat(HELLO)) == SAID
    assert "".join(piece.delta or "" for piece in OpenAILike(**COMMON).stream_complete("hello")) == SAID


@feature("usage")
def usage():
    assert llm.chat(HELLO).raw.usage.total_tokens == 30


@feature("JSON schema")
def schema():
    assert llm.as_structured_llm(Weather).chat(HELLO).raw == Weather(town="Bonn", rain=True)
    strict = OpenAILike(**COMMON, is_chat_model=True, should_use_structured_outputs=True)
    assert strict.as_structured_llm(Weather).chat(HELLO).raw == Weather(town="Bonn", rain=True)


@feature("tools")
def tools():
    called = llm.chat_with_tools([TOOL], chat_history=HELLO)
    (call,) = llm.get_tool_calls_from_response(called)
    result = ChatMessage(weather(**call.tool_kwargs), role="tool", additional_kwargs={"tool_call_id": call.tool_id})
    answer = llm.chat_with_tools([TOOL], chat_history=[*HELLO, called.message, result])
    assert answer.message.content == RAIN


@feature("image")
def image():
    content = [TextBlock(text="What?"), ImageBlock(url=IMAGE)]
    assert llm.chat([ChatMessage(role="user", blocks=content)]).message.content == "I see image/png"


@feature("Responses")
def responses():
    other = OpenAIResponses(**COMMON, context_window=4096)
    assert other.chat(HELLO).message.content == SAID
    assert "".join(piece.delta or "" for piece in other.stream_chat(HELLO)) == SAID


@feature("sources")
def sources():
    (choice,) = llm.chat(HELLO).raw.choices
    assert LINK in [annotation.url_citation.url for annotation in choice.message.annotations]


@feature("errors")
def errors():
    for wrong, error in (
        ({"model": "nothing"}, openai.NotFoundError),
        ({"additional_kwargs": {"n": 2}}, openai.BadRequestError),
        ({"api_key": "wrong"}, openai.AuthenticationError),
    ):
        try:
            OpenAILike(**{**COMMON, "is_chat_model": True, **wrong}).chat(HELLO)
        except error:
            continue
        raise AssertionError(wrong)


print_report("llama-index-llms-openai-like")
