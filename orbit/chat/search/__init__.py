"""The passages for a question: searched by every retriever, merged, and judged for relevance."""
