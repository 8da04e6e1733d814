"""What the servers and clients of one test process share, since each would make it anew."""

import os
import sys
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from ssl import SSLContext
from typing import Any

from litestar._signature import SignatureModel
from litestar.utils.signature import ParsedSignature

from orbit.upstreams import tls_context


def share() -> None:
    """Share it from now on; call this before the modules of tests are imported."""
    for package in filter(find_spec, ("httpx", "httpx2")):  # the client of ``openai``
        _share_authorities_of(import_module(f"{package}._transports.default"))
    _share_authorities_of_providers()
    _share_models()
    _share_signatures()


def _share_authorities_of(transports: Any) -> None:
    """Share the certificates that clients trust by default: each would read them for 20 ms of CPU."""
    make = transports.create_ssl_context

    @lru_cache
    def trusted(*sources: str | bool | None) -> SSLContext:
        made: SSLContext = make(trust_env=sources[0])
        return made

    def create_ssl_context(verify: Any = True, cert: Any = None, trust_env: bool = True) -> SSLContext:
        if verify is True and cert is None:
            return trusted(trust_env, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
        made: SSLContext = make(verify, cert, trust_env)
        return made

    transports.create_ssl_context = create_ssl_context


def _share_authorities_of_providers() -> None:
    """The same for providers. A plugin of a third party may change its own, so the host shares none."""
    trusted = lru_cache(tls_context)

    def shared_context(ca_certs: str = "", *, verify_certs: bool = True) -> SSLContext:
        return tls_context(ca_certs, verify_certs=verify_certs) if ca_certs or not verify_certs else trusted()

    for module in list(sys.modules.values()):
        if vars(module).get("tls_context") is tls_context and module.__name__ != __name__:
            vars(module)["tls_context"] = shared_context


def _share_models() -> None:
    """Share the weights of embedding models of packages: each provider would load them for 0.2 to 1 s of CPU."""
    if find_spec("orbit_wordllama"):
        wordllama: Any = import_module("orbit_wordllama.provider")
        static = lru_cache(wordllama._load)
        wordllama._load = lambda settings, folders: static(settings, tuple(folders))
    if find_spec("orbit_onnx"):
        onnx: Any = import_module("orbit_onnx.provider")
        onnx_models = import_module("orbit_onnx.models")
        load = onnx.load_model
        named = lru_cache(load)
        onnx.load_model = lambda name, *settings: (named if name in onnx_models.NAMED else load)(name, *settings)


def _share_signatures() -> None:
    """Share what Litestar reads from the signatures of handlers: that was a third of the cost of a server."""
    parse, model = ParsedSignature.from_fn, SignatureModel.create
    parsed: dict[object, ParsedSignature] = {}
    models: dict[object, Any] = {}

    def from_fn(fn: Callable[..., Any], namespace: dict[str, Any]) -> ParsedSignature:
        code = getattr(fn, "__code__", None)
        if code is None or not fn.__module__.startswith(("orbit.", "litestar.")):
            return parse(fn, namespace)
        key = code, repr(getattr(fn, "__defaults__", ()))
        if key not in parsed:
            parsed[key] = parse(fn, namespace)
        return parsed[key]

    def create(dependency_name_set: set[str], fn: Any, parsed_signature: Any, type_decoders: Any, data_dto: Any) -> Any:
        key = id(parsed_signature), frozenset(dependency_name_set), tuple(type_decoders), data_dto
        if key not in models:  # with its signature, so that no other gets the same id
            models[key] = parsed_signature, model(dependency_name_set, fn, parsed_signature, type_decoders, data_dto)
        return models[key][1]

    parser: Any = ParsedSignature
    modeller: Any = SignatureModel
    parser.from_fn, modeller.create = from_fn, create
