"""LiteLLM."""

import litellm
from pydantic import BaseModel
from report import BASE, IMAGE, KEY, LINK, RAIN, SAID, feature, print_report

COMMON = {"model": "openai/orbit", "api_base": BASE, "api_key": KEY, "num_retries": 0}
HELLO = [{"role": "user", "content": "hello"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
    },
}


class Weather(BaseModel):
    """A structured answer."""

    town: str
    rain: bool


@feature("chat")
def chat():
    assert litellm.completion(**COMMON, messages=HELLO).choices[0].message.content == SAID
    prompts = {**COMMON, "model": "text-completion-openai/orbit", "prompt": ["hello", "again"]}
    several = litellm.text_completion(**prompts)
    assert [(choice.index, choice.text) for choice in several.choices] == [(0, SAID), (1, "You said: again")]
    texts = {0: "", 1: ""}
    for chunk in litellm.text_completion(**prompts, stream=True):
        texts[chunk.choices[0].index] += chunk.choices[0].text or ""
    assert texts == {0: SAID, 1: "You said: again"}


@feature("stream")
def stream():
    chunks = list(litellm.completion(**COMMON, messages=HELLO, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == SAID


@feature("usage")
def usage():
    assert litellm.completion(**COMMON, messages=HELLO).usage.total_tokens == 30
    options = {"stream": True, "stream_options": {"include_usage": True}}
    assert list(litellm.completion(**COMMON, messages=HELLO, **options))[-1].usage.total_tokens == 30


@feature("JSON schema")
def schema():
    answer = litellm.completion(**COMMON, messages=HELLO, response_format=Weather)
    assert Weather.model_validate_json(answer.choices[0].message.content) == Weather(town="Bonn", rain=True)


@feature("tools")
def tools():
    message = litellm.completion(**COMMON, messages=HELLO, tools=[TOOL]).choices[0].message
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "Rain in Bonn"}
    answer = litellm.completion(**COMMON, messages=[*HELLO, message, result], tools=[TOOL])
    assert answer.choices[0].message.content == RAIN


@feature("image")
def image():
    content = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": IMAGE}}]
    answer = litellm.completion(**COMMON, messages=[{"role": "user", "content": content}])
    assert answer.choices[0].message.content == "I see image/png"


@feature("Responses")
def responses():
    first = litellm.responses(**COMMON, input="hello")
    assert first.output[-1].content[0].text == SAID
    kinds = [str(event.type) for event in litellm.responses(**COMMON, input="hello", stream=True)]
    assert "response.completed" in kinds[-1] or "RESPONSE_COMPLETED" in kinds[-1], kinds


@feature("sources")
def sources():
    message = litellm.completion(**COMMON, messages=HELLO).choices[0].message
    assert LINK in [annotation["url_citation"]["url"] for annotation in message.annotations]


@feature("errors")
def errors():
    for wrong, error in (
        ({"model": "openai/nothing"}, litellm.NotFoundError),
        ({"temperature": 9}, litellm.BadRequestError),
        ({"api_key": "wrong"}, litellm.AuthenticationError),
    ):
        try:
            litellm.completion(**{**COMMON, "messages": HELLO, **wrong})
        except error:
            continue
        raise AssertionError(wrong)


print_report("litellm")
