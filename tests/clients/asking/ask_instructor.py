"""Instructor."""

import instructor
import openai
from instructor import Mode
from instructor.core import InstructorRetryException
from pydantic import BaseModel
from report import BASE, IMAGE, KEY, LINK, feature, print_report

api = openai.OpenAI(base_url=BASE, api_key=KEY, max_retries=0)
client = instructor.from_openai(api, mode=Mode.TOOLS)
HELLO = [{"role": "user", "content": "hello"}]


class Weather(BaseModel):
    """A structured answer."""

    town: str
    rain: bool


COMMON = {"model": "orbit", "max_retries": 0}


def is_weather(found):
    """Compare the fields: the package answers with classes of its own."""
    return (found.town, found.rain) == ("Bonn", True)


def ask(by=client, messages=HELLO, **options):
    return by.chat.completions.create(**{**COMMON, "messages": messages, "response_model": Weather, **options})


@feature("chat")
def chat():
    assert is_weather(ask())


@feature("stream")
def stream():
    parts = client.chat.completions.create_partial(**COMMON, messages=HELLO, response_model=Weather)
    *_, last = parts
    assert is_weather(last)


@feature("usage")
def usage():
    _, raw = client.chat.completions.create_with_completion(**COMMON, messages=HELLO, response_model=Weather)
    assert raw.usage.total_tokens == 30


@feature("JSON schema")
def schema():
    for mode in (Mode.JSON_SCHEMA, Mode.JSON):
        assert is_weather(ask(instructor.from_openai(api, mode=mode))), mode


@feature("tools")
def tools():
    assert is_weather(ask(instructor.from_openai(api, mode=Mode.TOOLS_STRICT)))


@feature("image")
def image():
    content = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": IMAGE}}]
    assert is_weather(ask(messages=[{"role": "user", "content": content}]))


@feature("Responses")
def responses():
    other = instructor.from_openai(api, mode=Mode.RESPONSES_TOOLS)
    assert is_weather(other.responses.create(model="orbit", input="hello", response_model=Weather, max_retries=0))


@feature("sources")
def sources():
    options = {**COMMON, "messages": HELLO, "response_model": Weather}
    _, raw = instructor.from_openai(api, mode=Mode.JSON_SCHEMA).chat.completions.create_with_completion(**options)
    assert LINK in [annotation.url_citation.url for annotation in raw.choices[0].message.annotations]


@feature("errors")
def errors():
    for wrong, sentence in (({"model": "nothing"}, "does not exist"), ({"temperature": 9}, "temperature")):
        try:
            ask(**wrong)
        except InstructorRetryException as error:
            seen = str(error)
        else:
            raise AssertionError(wrong)
        assert sentence in seen, seen


print_report("instructor")
