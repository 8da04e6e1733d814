"""OpenAI's package for Python."""

import openai
from pydantic import BaseModel
from report import BASE, IMAGE, KEY, LINK, RAIN, SAID, feature, print_report

api = openai.OpenAI(base_url=BASE, api_key=KEY, max_retries=0)
HELLO = [{"role": "user", "content": "hello"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"town": {"type": "string"}},
            "required": ["town"],
            "additionalProperties": False,
        },
    },
}


class Weather(BaseModel):
    """A structured answer."""

    town: str
    rain: bool


@feature("chat")
def chat():
    answer = api.chat.completions.create(model="orbit", messages=HELLO)
    assert answer.choices[0].message.content == SAID


@feature("stream")
def stream():
    with api.chat.completions.stream(model="orbit", messages=HELLO) as events:
        assert events.get_final_completion().choices[0].message.content == SAID


@feature("usage")
def usage():
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = list(api.chat.completions.create(model="orbit", messages=HELLO, **options))
    assert chunks[-1].usage.total_tokens == 30


@feature("JSON schema")
def schema():
    answer = api.chat.completions.parse(model="orbit", messages=HELLO, response_format=Weather)
    assert answer.choices[0].message.parsed == Weather(town="Bonn", rain=True)


@feature("tools")
def tools():
    message = api.chat.completions.create(model="orbit", messages=HELLO, tools=[TOOL]).choices[0].message
    assert message.tool_calls[0].function.arguments == '{"town":"Bonn"}'
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "Rain in Bonn"}
    answer = api.chat.completions.create(model="orbit", messages=[*HELLO, message, result], tools=[TOOL])
    assert answer.choices[0].message.content == RAIN


@feature("image")
def image():
    content = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": IMAGE}}]
    answer = api.chat.completions.create(model="orbit", messages=[{"role": "user", "content": content}])
    assert answer.choices[0].message.content == "I see image/png"


@feature("Responses")
def responses():
    first = api.responses.create(model="orbit", input="hello")
    second = api.responses.create(model="orbit", input="hello", previous_response_id=first.id)
    assert second.output_text == SAID
    with api.responses.stream(model="orbit", input="hello", text_format=Weather) as events:
        assert events.get_final_response().output_parsed == Weather(town="Bonn", rain=True)


@feature("sources")
def sources():
    message = api.chat.completions.create(model="orbit", messages=HELLO).choices[0].message
    assert LINK in [annotation.url_citation.url for annotation in message.annotations]


@feature("errors")
def errors():
    for wrong, error in (
        ({"model": "nothing"}, openai.NotFoundError),
        ({"temperature": 9}, openai.BadRequestError),
        ({"extra_headers": {"Authorization": "Bearer wrong"}}, openai.AuthenticationError),
    ):
        try:
            api.chat.completions.create(**{"model": "orbit", "messages": HELLO, **wrong})
        except error:
            continue
        raise AssertionError(wrong)


print_report("openai")
