"""The names of the earlier ORBIT, by what became of them."""

MARKS = frozenset(
    {
        "adapters", "api_keys", "auth.session_duration_hours", "chat_history", "datasources", "eleven_labs",
        "embedding", "embeddings", "file_upload", "general.adapter", "general.datasource_provider",
        "general.inference_only", "general.session_id", "import", "inference_only", "internal_services",
        "logging.handlers", "messages.collection_not_found", "moderations", "moderators", "rerankers",
        "system.guardrail_prompt", "system.prompt", "system.template_path",
    }
)  # fmt: skip
"""Settings that only the earlier ORBIT had. A file with one of them is written for it."""

GATEWAY = "serve the model behind OpenAI's protocol and use the section openai"
OWN_FILE = "ORBIT keeps its own file, sqlite.path; make the keys again with `orbit keys create`"

SECTIONS_WITHOUT = {
    "adapter_limits": "",
    "autocomplete": "",
    "clock_service": "put the time zone into the system prompt",
    "composite_retrieval": "",
    "conversation_threading": "",
    "document": "",
    "document_generation": "",
    "document_renderer": "",
    "eleven_labs": "ORBIT answers in text",
    "fault_tolerance": "timeouts and max_retries of the providers",
    "guardrails": "safety",
    "huggingface": GATEWAY,
    "image": "",
    "image_generation": "",
    "language_detection": "put the wanted language into the system prompt",
    "llm_guard": "safety",
    "mcp_client": "",
    "mcp_clients": "",
    "messaging": "",
    "ocr": "the plugin orbit-ocr",
    "orbit_db": OWN_FILE,
    "performance": "orbit serve --workers N",
    "personaplex": "",
    "pipeline": "",
    "pricing": "",
    "prompt_service": "auth.cache_seconds",
    "rewriters": "",
    "secrets_management": "${NAME} and ${file:PATH} in the configuration",
    "skill_routing": "",
    "sound": "ORBIT answers in text",
    "sounds": "ORBIT answers in text",
    "store_manager": "",
    "stt": "ORBIT answers in text",
    "stt_providers": "ORBIT answers in text",
    "tts": "ORBIT answers in text",
    "tts_providers": "ORBIT answers in text",
    "vector_stores": "chroma",
    "video": "",
    "video_generation": "",
    "vision": "",
    "visions": "",
}
"""Section without a counterpart -> what to do instead."""

OPENAI_COMPATIBLE = {
    "anthropic": "https://api.anthropic.com/v1",
    "anyscale": "https://api.endpoints.anyscale.com/v1",
    "cerebras": "https://api.cerebras.ai/v1",
    "cohere": "https://api.cohere.ai/compatibility/v1",
    "deepinfra": "https://api.deepinfra.com/v1/openai",
    "deepseek": "https://api.deepseek.com/v1",
    "fireworks": "https://api.fireworks.ai/inference/v1",
    "fugu": "https://api.sakana.ai/v1",
    "gemini": "https://generativelanguage.googleapis.com/v1beta/openai",
    "groq": "https://api.groq.com/openai/v1",
    "jina": "https://api.jina.ai/v1",
    "lmstudio": "http://localhost:1234/v1",
    "minimax": "https://api.minimax.io/v1",
    "mistral": "https://api.mistral.ai/v1",
    "moonshot": "https://api.moonshot.ai/v1",
    "nearai": "https://cloud-api.near.ai/v1",
    "nebius": "https://api.studio.nebius.com/v1",
    "nvidia": "https://integrate.api.nvidia.com/v1",
    "openai": "https://api.openai.com/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "perplexity": "https://api.perplexity.ai",
    "scaleway": "https://api.scaleway.ai/v1",
    "sglang": "http://localhost:30000/v1",
    "shimmy": "http://localhost:11435/v1",
    "tensorrt": "http://localhost:8000/v1",
    "together": "https://api.together.xyz/v1",
    "venice": "https://api.venice.ai/api/v1",
    "vllm": "http://localhost:8000/v1",
    "xai": "https://api.x.ai/v1",
    "zai": "https://api.z.ai/api/paas/v4",
}
"""Providers that speak OpenAI's protocol -> the address that the earlier ORBIT used without one."""

OLLAMA_LIKE = {"ollama_cloud": "https://ollama.com", "ollama_remote": ""}

_LITELLM = "a gateway that speaks OpenAI's protocol, such as LiteLLM ({}/MODEL)"
_LOCAL = "a server that speaks OpenAI's protocol, such as {}"
_VLLM = ("http://localhost:8000/v1", _LOCAL.format("vLLM's or `transformers serve`"))
_PROXY = "http://localhost:4000/v1"

GATEWAYS = {
    "airllm": _VLLM,
    "aws": (_PROXY, _LITELLM.format("bedrock")),
    "bedrock": (_PROXY, _LITELLM.format("bedrock")),
    "bitnet": ("http://localhost:8080/v1", _LOCAL.format("bitnet.cpp's run_inference_server.py")),
    "huggingface": _VLLM,
    "pytorch": _VLLM,
    "replicate": (_PROXY, _LITELLM.format("replicate")),
    "sentence_transformers": _VLLM,
    "transformers": _VLLM,
    "vertex": (_PROXY, _LITELLM.format("vertex_ai")),
    "voyage": (_PROXY, _LITELLM.format("voyage")),
    "watson": (_PROXY, _LITELLM.format("watsonx")),
}
"""Providers that ORBIT reaches through another program -> where that listens by default, and what it may be."""

HUGGING_FACE = "https://router.huggingface.co/v1"

OPENAI_KEYS = {
    "api_key", "context_window", "headers", "max_tokens", "model", "temperature", "top_p",
}  # fmt: skip
"""The keys of these providers that the plugin openai has under the same name, beside the address."""

ANTHROPIC_KEYS = {"api_key", "enabled", "max_tokens", "model", "temperature", "top_k", "top_p"}
"""The keys that the plugin anthropic has under the same name, beside the address."""

OPENAI_EXTRA = ("frequency_penalty", "presence_penalty", "repetition_penalty", "seed", "stop", "top_k")
"""Sampling options that travel in ``extra_body`` if they change anything."""

OLLAMA_DROPPED = frozenset(
    {
        "api_key", "frequency_penalty", "low_vram", "main_gpu", "max_response_length", "min_p",
        "mirostat", "mirostat_eta", "mirostat_tau",
        "num_batch", "num_gpu", "num_keep", "numa", "penalize_newline", "presence_penalty", "repeat_last_n", "retry",
        "seed", "stop", "summarization", "timeout", "typical_p", "use_mlock", "use_mmap", "vocab_only",
    }
)  # fmt: skip

LLAMA_CPP_DROPPED = frozenset({"api_key", "base_url", "context_window", "mode", "model", "retry", "timeout"})
