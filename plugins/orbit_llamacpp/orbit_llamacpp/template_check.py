"""Checks a model's chat template, or the format that replaces it, without llama.cpp."""

from __future__ import annotations

from collections.abc import Iterator

from orbit_llamacpp.chat_formats import CHAT_FORMATS, LOSSY
from orbit_llamacpp.gguf import Header
from orbit_llamacpp.settings import LlamaCppSettings

_TEMPLATE = "tokenizer.chat_template"


def template_of(header: Header) -> str:
    """Return the chat template in a file; empty if there is none."""
    found = header.metadata.get(_TEMPLATE, "")
    return found if isinstance(found, str) else ""


def chat_format_problems(settings: LlamaCppSettings) -> Iterator[str]:
    """Yield faults of ``chat_format``, whatever the model."""
    name = settings.chat_format
    if name is None:
        return
    if name not in CHAT_FORMATS:
        usable = ", ".join(known for known in CHAT_FORMATS if known not in LOSSY)
        yield f"chat_format '{name}' does not exist; available: {usable}"
    elif name in LOSSY:
        yield f"chat_format '{name}' cannot be used: {LOSSY[name]}; choose another, or the model's own template (null)"


def template_problems(header: Header, settings: LlamaCppSettings) -> Iterator[str]:
    """Yield faults of the file's template, if it is used."""
    from orbit_llamacpp.conversation import TemplateError, find_form  # noqa: PLC0415 - the plugin's import stays light
    from orbit_llamacpp.jinja_template import JinjaTemplate  # noqa: PLC0415
    from orbit_llamacpp.thinking import variables  # noqa: PLC0415

    source = template_of(header)
    if settings.chat_format is not None or not source:
        if settings.think is not None:
            format_used = settings.chat_format or "chatml"
            yield f"think: has no effect with chat_format {format_used}, which has no thoughts; remove one of the two"
        return
    try:
        template = JinjaTemplate(source)
    except TemplateError as error:
        yield f"the model's chat template: {error}; choose another with chat_format"
        return
    try:
        chosen = variables(settings.think, template.variables, template.texts)
    except TemplateError as error:
        yield f"think: {error}"
        chosen = {}
    try:
        find_form(template, chosen)
    except TemplateError as error:
        yield f"the model's chat template: {error}; choose another with chat_format"


def template_facts(header: Header) -> list[tuple[str, str]]:
    """Return facts about the file's template, by display name."""
    from orbit_llamacpp.conversation import TemplateError, find_form  # noqa: PLC0415 - the plugin's import stays light
    from orbit_llamacpp.jinja_template import JinjaTemplate  # noqa: PLC0415
    from orbit_llamacpp.thinking import choices  # noqa: PLC0415

    source = template_of(header)
    if header.embeds:
        return []
    if not source:
        return [("chat template", "no: set chat_format")]
    try:
        template = JinjaTemplate(source)
        form = find_form(template, {})
    except TemplateError as error:
        return [("chat template", f"cannot be used: {error}; set chat_format")]
    return [
        ("chat template", "yes"),
        ("system message", "as such" if form.system else "put before the first question"),
        ("think", ", ".join(choices(template.variables, template.texts)) or "no switch"),
    ]
