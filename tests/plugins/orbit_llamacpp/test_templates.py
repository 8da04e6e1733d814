"""Chat templates as models have them: no message is lost, and one that cannot be mended is refused before the start."""

import inspect
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import llama_cpp.llama_chat_format as formats
import pytest
from orbit_llamacpp.chat_formats import CHAT_FORMATS, LOSSY
from orbit_llamacpp.conversation import TemplateError

import orbit
from orbit.testing import serve
from orbit.types import Message, Role

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("chat_templates/*.jinja"))
WITHOUT_SYSTEM = ("gemma-2", "mistral-v1", "phi-3", "vicuna")
BROKEN = {
    "it loses earlier answers": "{% for m in messages if m.role != 'assistant' %}{{ m.content }}{% endfor %}",
    "it loses messages of the user": "{% for m in messages if m.role == 'human' %}{{ m.content }}{% endfor %}",
    "it rejects a conversation: Tools only": "{{ raise_exception('Tools only') }}",
    "it cannot be parsed": "{% for m in messages %}{{ m.content }}",
    "it rejects a conversation: 'no_such_name' is undefined": "{{ no_such_name.text }}",
}
CONVERSATIONS: tuple[tuple[Role, ...], ...] = (
    ("user",),
    ("system", "user"),
    ("system", "system", "user"),
    ("system", "user", "assistant", "user", "assistant", "user"),
    ("user", "assistant", "system", "user"),
    ("user", "user"),
    ("system", "user", "user", "assistant", "assistant", "user"),
    ("assistant", "user"),
    ("system", "assistant", "user"),
    ("system", "user", "assistant", "user", "system"),
)


def marked(roles: tuple[Role, ...]) -> list[Message]:
    return [Message(role, f"said{number}") for number, role in enumerate(roles)]


def test_all_shapes_are_tried() -> None:
    assert len(NAMES) >= 25


@pytest.mark.parametrize("name", NAMES)
def test_no_message_is_lost(reader: Callable[..., Any], name: str) -> None:
    model = reader(name)
    for roles in CONVERSATIONS:
        messages = marked(roles)
        prompt = model.read(messages)
        assert [message.content for message in messages if message.content not in prompt] == [], (roles, prompt)
        assert "{'type'" not in prompt
        turns = [prompt.index(m.content) for m in messages if m.role != "system"]
        assert turns == sorted(turns), (roles, prompt)
    told = any("no place for a system message" in notice for notice in model.template.notices)
    assert told == (name in WITHOUT_SYSTEM)


@pytest.mark.parametrize("name", [name for name in CHAT_FORMATS if name not in LOSSY])
def test_no_message_is_lost_in_a_named_format(reader: Callable[..., Any], name: str) -> None:
    model = reader(None, chat_format=name)
    for roles in CONVERSATIONS:
        prompt = model.read(marked(roles))
        assert [m.content for m in marked(roles) if m.content not in prompt] == [], (roles, prompt)


@pytest.mark.parametrize("name", LOSSY)
def test_named_formats_that_lose_turns_are_known(reader: Callable[..., Any], make: Any, name: str) -> None:
    with pytest.raises(TemplateError, match=LOSSY[name]):
        reader(None, chat_format=name)
    (problem,) = make(chat_format=name).validate()
    assert problem.startswith(f"chat_format '{name}' cannot be used: {LOSSY[name]}")


def test_every_format_of_llama_cpp_python_can_be_named() -> None:
    handlers = formats.LlamaChatCompletionHandlerRegistry()._chat_handlers
    with_tools = {"functionary", "functionary-v1", "functionary-v2", "chatml-function-calling"}
    assert set(handlers) - with_tools == set(CHAT_FORMATS)
    assert all(inspect.isfunction(getattr(formats, function)) for function in CHAT_FORMATS.values())


def test_merged_text_comes_first_and_apart(reader: Callable[..., Any]) -> None:
    conversation = [Message("system", "Be kind."), *marked(("user", "assistant", "user"))]
    prompt = reader("gemma-2").read(conversation)
    assert "<start_of_turn>user\nBe kind.\n\nsaid0<end_of_turn>" in prompt
    assert prompt.count("Be kind.") == 1


def test_a_template_that_allows_it_is_left_alone(reader: Callable[..., Any]) -> None:
    prompt = reader("chatml").read(marked(("system", "user", "user", "assistant", "system", "user")))
    assert prompt.count("<|im_start|>") == 7


def test_a_model_without_a_template_is_read_as_chatml_and_says_so(reader: Callable[..., Any]) -> None:
    model = reader(None)
    assert model.read(marked(("system", "user"))).startswith("<|im_start|>system\nsaid0<|im_end|>\n<|im_start|>user\n")
    assert ["the model has no chat template, so ORBIT uses chatml" in notice for notice in model.template.notices] == [
        True
    ]


def test_a_template_that_cannot_be_mended_is_refused_before_the_start(
    gguf: Any, make: Any, reader: Callable[..., Any], tmp_path: Path
) -> None:
    for said, source in BROKEN.items():
        path = gguf.write_decoder(tmp_path / "model.gguf", "llama", template=source)
        (problem,) = make(model_path=str(path), n_ctx=256).validate()
        assert said in problem
        assert problem.endswith("choose another with chat_format")
        assert not list(make(model_path=str(path), n_ctx=256, chat_format="chatml").validate())
        with pytest.raises(TemplateError, match=said.partition(":")[0]):
            reader(source)


def test_a_served_model_that_refuses_system_messages_gets_them_and_counts_them(
    gguf: Any, templates: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = gguf.write_decoder(tmp_path / "gemma.gguf", "llama", template=templates["gemma-2"])
    engine = {"model_path": str(path), "n_ctx": 1024, "n_threads": 1, "temperature": 0.0, "max_tokens": 4}
    config = {"llama_cpp": engine, "general": {"default_system_prompt": "You know about bread."}}
    with caplog.at_level(logging.WARNING), serve(config, tmp_path / "data") as server:
        body = {"message": "Hello?", "stream": False}
        reply = httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}, timeout=60)
        assert reply.status_code == 200, reply.text
        provider = server.provider("llama_cpp")
        messages = [Message("system", "You know about bread."), Message("user", "Hello?")]
        counted = server.call(provider.count_tokens(messages, orbit.GenerateOptions()))
        alone = server.call(provider.count_tokens(messages[1:], orbit.GenerateOptions()))
    assert reply.json()["usage"]["prompt_tokens"] == counted.prompt
    assert counted.prompt - alone.prompt == len("You know about bread.\n\n")  # a token for each letter
    assert "gemma.gguf: the model's chat template has no place for a system message" in caplog.text


def test_check_says_what_a_template_loses(gguf: Any, tmp_path: Path) -> None:
    said, source = next(iter(BROKEN.items()))
    path = gguf.write_decoder(tmp_path / "model.gguf", "llama", template=source)
    with (
        pytest.raises(orbit.ConfigError, match=said),
        serve({"llama_cpp": {"model_path": str(path), "n_ctx": 256}}, tmp_path / "data"),
    ):
        pass
