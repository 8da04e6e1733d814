"""LangChain's ChatOpenAI."""

import openai
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI
from pydantic import BaseModel
from report import BASE, IMAGE, KEY, LINK, RAIN, SAID, feature, print_report

COMMON = {"base_url": BASE, "api_key": KEY, "max_retries": 0}
model = ChatOpenAI(model="orbit", **COMMON)


class Weather(BaseModel):
    """A structured answer."""

    town: str
    rain: bool


@tool
def weather(town: str) -> str:
    """The weather of a town."""
    return f"Rain in {town}"


@feature("chat")
def chat():
    assert model.invoke("hello").text == SAID
    assert OpenAI(model="orbit", **COMMON).batch(["hello", "again"]) == [SAID, "You said: again"]


@feature("stream")
def stream():
    assert "".join(chunk.text for chunk in model.stream("hello")) == SAID


@feature("usage")
def usage():
    assert model.invoke("hello").usage_metadata["total_tokens"] == 30
    streaming = ChatOpenAI(model="orbit", stream_usage=True, **COMMON)
    whole = None
    for chunk in streaming.stream("hello"):
        whole = chunk if whole is None else whole + chunk
    assert whole.usage_metadata["total_tokens"] == 30


@feature("JSON schema")
def schema():
    for method in ("json_schema", "function_calling"):
        found = model.with_structured_output(Weather, method=method).invoke("hello")
        assert found == Weather(town="Bonn", rain=True)


@feature("tools")
def tools():
    able = model.bind_tools([weather])
    asked = HumanMessage("hello")
    call = able.invoke([asked])
    results = [ToolMessage(weather.invoke(one["args"]), tool_call_id=one["id"]) for one in call.tool_calls]
    assert able.invoke([asked, call, *results]).text == RAIN


@feature("image")
def image():
    content = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": IMAGE}}]
    assert model.invoke([HumanMessage(content)]).text == "I see image/png"


@feature("Responses")
def responses():
    other = ChatOpenAI(model="orbit", use_responses_api=True, use_previous_response_id=True, **COMMON)
    first = other.invoke("hello")
    assert other.invoke([HumanMessage("hello"), first, HumanMessage("hello")]).text == SAID
    assert "".join(chunk.text for chunk in other.stream("hello")) == SAID
    call = other.bind_tools([weather]).invoke("hello")
    assert call.tool_calls[0]["args"] == {"town": "Bonn"}


@feature("sources")
def sources():
    other = ChatOpenAI(model="orbit", use_responses_api=True, **COMMON)
    blocks = other.invoke("hello").content_blocks
    assert LINK in [note.get("url") for block in blocks for note in block.get("annotations", ())]


@feature("errors")
def errors():
    for wrong, error in (
        ({"model": "nothing"}, openai.NotFoundError),
        ({"temperature": 9}, openai.BadRequestError),
        ({"api_key": "wrong"}, openai.AuthenticationError),
    ):
        try:
            ChatOpenAI(**{"model": "orbit", **COMMON, **wrong}).invoke("hello")
        except error:
            continue
        raise AssertionError(wrong)


print_report("langchain-openai")
