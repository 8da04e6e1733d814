"""The prefixes that embedding models were trained with. Without them, vectors are measurably worse."""

from orbit_ollama.settings import OllamaSettings

_SEARCH = "Represent this sentence for searching relevant passages: "

BY_MODEL: dict[str, tuple[str, str]] = {
    "nomic-embed-text": ("search_query: ", "search_document: "),
    "mxbai-embed-large": (_SEARCH, ""),
    "snowflake-arctic-embed2": ("query: ", ""),
    "snowflake-arctic-embed": (_SEARCH, ""),
    "bge-large": (_SEARCH, ""),
    "embeddinggemma": ("task: search result | query: ", "title: none | text: "),
    "qwen3-embedding": (
        "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:",
        "",
    ),
    "multilingual-e5": ("query: ", "passage: "),
}
"""Beginning of a model's name (without namespace) -> prefix of queries, prefix of documents."""


def prefixes(settings: OllamaSettings) -> tuple[str, str]:
    """Return the prefix of queries and the prefix of documents."""
    name = settings.embed_model.rsplit("/", 1)[-1].lower()
    known = next((pair for start, pair in BY_MODEL.items() if name.startswith(start)), ("", ""))
    query = known[0] if settings.query_prefix is None else settings.query_prefix
    document = known[1] if settings.document_prefix is None else settings.document_prefix
    return query, document
