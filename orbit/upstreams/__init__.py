"""Helpers for plugins that call a server. Public API, like everything in ``import orbit``."""

from orbit.upstreams.addresses import Address, address_problem, credential_problem, is_public, shown, user_alone
from orbit.upstreams.answers import Characters, Lines, count_of, event_data, finish_reason, loose_json
from orbit.upstreams.asking import Connections, StatusError, cut_off, next_piece, oversized, read_to_end, whole_body
from orbit.upstreams.batches import embed_in_batches
from orbit.upstreams.connections import (
    failed_connection,
    is_of_tls,
    retry_after,
    system_reason,
    tls_context,
    tls_problems,
    tls_reason,
)
from orbit.upstreams.conversations import beside_text, estimated_tokens, refuses_roles, refuses_system, without_system
from orbit.upstreams.embedding import embed_in_parts, shortened_sentence
from orbit.upstreams.failures import Busy, Refused, WrongCertificate, blamed, error_of_status, is_final, is_too_much
from orbit.upstreams.headers import header_problems
from orbit.upstreams.models import listed_name
from orbit.upstreams.opening import UpstreamProvider
from orbit.upstreams.pinned import addresses_of, pinned_request
from orbit.upstreams.pool import Attempts, Server, ServerPool, seconds_left
from orbit.upstreams.probabilities import written_tokens
from orbit.upstreams.settings import Seconds, ServerSettings, without_effect
from orbit.upstreams.starting import check_servers, until_answered
from orbit.upstreams.tools import function_of, is_json, new_call_id

__all__ = [
    "Address",
    "Attempts",
    "Busy",
    "Characters",
    "Connections",
    "Lines",
    "Refused",
    "Seconds",
    "Server",
    "ServerPool",
    "ServerSettings",
    "StatusError",
    "UpstreamProvider",
    "WrongCertificate",
    "address_problem",
    "addresses_of",
    "beside_text",
    "blamed",
    "check_servers",
    "count_of",
    "credential_problem",
    "cut_off",
    "embed_in_batches",
    "embed_in_parts",
    "error_of_status",
    "estimated_tokens",
    "event_data",
    "failed_connection",
    "finish_reason",
    "function_of",
    "header_problems",
    "is_final",
    "is_json",
    "is_of_tls",
    "is_public",
    "is_too_much",
    "listed_name",
    "loose_json",
    "new_call_id",
    "next_piece",
    "oversized",
    "pinned_request",
    "read_to_end",
    "refuses_roles",
    "refuses_system",
    "retry_after",
    "seconds_left",
    "shortened_sentence",
    "shown",
    "system_reason",
    "tls_context",
    "tls_problems",
    "tls_reason",
    "until_answered",
    "user_alone",
    "whole_body",
    "without_effect",
    "without_system",
    "written_tokens",
]
