"""The prompt formats for ``chat_format``, besides the model's own template."""

from __future__ import annotations

from typing import Final

CHAT_FORMATS: Final = {
    "alpaca": "format_alpaca",
    "baichuan": "format_baichuan",
    "baichuan-2": "format_baichuan2",
    "chatglm3": "format_chatglm3",
    "chatml": "format_chatml",
    "gemma": "format_gemma",
    "intel": "format_intel",
    "llama-2": "format_llama2",
    "llama-3": "format_llama3",
    "mistral-instruct": "format_mistral_instruct",
    "mistrallite": "format_mistrallite",
    "oasst_llama": "format_oasst_llama",
    "open-orca": "format_open_orca",
    "openbuddy": "format_openbuddy",
    "openchat": "format_openchat",
    "phind": "format_phind",
    "pygmalion": "format_pygmalion",
    "qwen": "format_qwen",
    "redpajama-incite": "format_redpajama_incite",
    "saiga": "format_saiga",
    "snoozy": "format_snoozy",
    "vicuna": "format",
    "zephyr": "format_zephyr",
}
"""Name -> function in ``llama_cpp.llama_chat_format``. A static table, so that a configuration check need not import
it.
"""

LOSSY: Final = {"open-orca": "it loses messages of the user", "saiga": "it loses earlier answers"}
"""Formats that cannot represent every conversation, and why."""
