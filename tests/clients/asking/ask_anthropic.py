"""Anthropic's package for Python, at ``/v1/messages``."""

import anthropic
from pydantic import BaseModel
from report import IMAGE, KEY, LINK, RAIN, SAID, URL, feature, print_report, without

api = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0)
HELLO = [{"role": "user", "content": "hello"}]
COMMON = {"model": "orbit", "max_tokens": 100, "messages": HELLO}
TOOL = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
}


class Weather(BaseModel):
    """A structured answer."""

    town: str
    rain: bool


@feature("chat")
def chat():
    assert api.messages.create(**COMMON).content[0].text == SAID


@feature("stream")
def stream():
    with api.messages.stream(**COMMON) as events:
        assert "".join(events.text_stream) == SAID


@feature("usage")
def usage():
    with api.messages.stream(**COMMON) as events:
        found = events.get_final_message().usage
    assert (found.input_tokens, found.output_tokens) == (20, 10)


@feature("JSON schema")
def schema():
    answer = api.messages.parse(**COMMON, output_format=Weather)
    assert answer.parsed_output == Weather(town="Bonn", rain=True)


@feature("tools")
def tools():
    call = api.messages.create(**COMMON, tools=[TOOL])
    (block,) = call.content
    assert block.input == {"town": "Bonn"}
    result = {"type": "tool_result", "tool_use_id": block.id, "content": "Rain in Bonn"}
    messages = [*HELLO, {"role": "assistant", "content": call.content}, {"role": "user", "content": [result]}]
    assert api.messages.create(**{**COMMON, "messages": messages}, tools=[TOOL]).content[0].text == RAIN


@feature("image")
def image():
    source = {"type": "base64", "media_type": "image/png", "data": IMAGE.partition(",")[2]}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "What?"}]
    answer = api.messages.create(**{**COMMON, "messages": [{"role": "user", "content": content}]})
    assert answer.content[0].text == "I see image/png"


@feature("sources")
def sources():
    citations = api.messages.create(**COMMON).content[0].citations
    assert LINK in [citation.source for citation in citations]


@feature("errors")
def errors():
    for by, wrong, error in (
        (api, {"model": "nothing"}, anthropic.NotFoundError),
        (api, {"extra_body": {"temperature": 9}}, anthropic.BadRequestError),
        (api.with_options(api_key="wrong"), {}, anthropic.AuthenticationError),
    ):
        try:
            by.messages.create(**{**COMMON, **wrong})
        except error:
            continue
        raise AssertionError(wrong)


without("Responses", "speaks Anthropic's API")
print_report("anthropic")
