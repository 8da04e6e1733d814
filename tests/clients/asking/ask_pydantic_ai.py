"""Pydantic AI."""

import base64

from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, NativeOutput
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from report import BASE, IMAGE, KEY, LINK, RAIN, SAID, feature, print_report


def chat_model(name="orbit", key=KEY):
    return OpenAIChatModel(name, provider=OpenAIProvider(base_url=BASE, api_key=key))


def responses_model():
    return OpenAIResponsesModel("orbit", provider=OpenAIProvider(base_url=BASE, api_key=KEY))


class Weather(BaseModel):
    """A structured answer."""

    town: str
    rain: bool


def weather(town: str) -> str:
    """Return the weather of a town."""
    return f"Rain in {town}"


@feature("chat")
async def chat():
    agent = Agent(chat_model(), instructions="Be brief.")
    first = await agent.run("hello")
    second = await agent.run("hello", message_history=first.all_messages())
    assert (first.output, second.output) == (SAID, SAID)


async def streamed(model):
    async with Agent(model).run_stream("hello") as result:
        return "".join([piece async for piece in result.stream_text(delta=True)])


@feature("stream")
async def stream():
    assert await streamed(chat_model()) == SAID


@feature("usage")
async def usage():
    found = (await Agent(chat_model()).run("hello")).usage
    found = found() if callable(found) else found
    assert (found.input_tokens, found.output_tokens) == (20, 10)


@feature("JSON schema")
async def schema():
    for kind in (Weather, NativeOutput(Weather)):
        assert (await Agent(chat_model(), output_type=kind).run("hello")).output == Weather(town="Bonn", rain=True)


@feature("tools")
async def tools():
    assert (await Agent(chat_model(), tools=[weather]).run("hello")).output == RAIN


@feature("image")
async def image():
    data = base64.b64decode(IMAGE.partition(",")[2])
    answer = await Agent(chat_model()).run(["What?", BinaryContent(data, media_type="image/png")])
    assert answer.output == "I see image/png"


@feature("Responses")
async def responses():
    agent = Agent(responses_model(), tools=[weather])
    first = await agent.run("hello")
    assert first.output == RAIN
    assert (await Agent(responses_model()).run("hello", message_history=first.all_messages())).output == SAID
    assert await streamed(responses_model()) == SAID


@feature("sources")
async def sources():
    agent = Agent(responses_model(), model_settings={"openai_include_raw_annotations": True})
    parts = [part for message in (await agent.run("hello")).all_messages() for part in message.parts]
    assert LINK in str(parts)


@feature("errors")
async def errors():
    for wrong, settings, status in (
        (chat_model("nothing"), {}, 404),
        (chat_model(), {"extra_body": {"n": 2}}, 400),
        (chat_model(key="wrong"), {}, 401),
    ):
        try:
            await Agent(wrong).run("hello", model_settings=settings)
        except ModelHTTPError as error:
            seen = error.status_code
        else:
            seen = 200
        assert seen == status


print_report("pydantic-ai-slim")
