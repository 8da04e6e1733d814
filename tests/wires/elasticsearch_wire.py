"""A stand-in for Elasticsearch 8 over real sockets: as much of its HTTP interface as a log needs, and its faults.

Written from Elasticsearch's reference: the product header, compatible media types, ``_bulk`` with its per-item
errors, index templates, automatic index and data stream creation, backing indices and rollover, lifecycle policies,
``_search`` and ``_count``. Documents live in memory. Faults are queued with ``fail``; each answers one request.

As a program it serves until it is killed: ``python elasticsearch_wire.py [--port N] [--hang]``; the port is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import fnmatch
import gzip
import ipaddress
import json
import re
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Self

from aiohttp import web
from ollama_wire import cut_off

BULK_TYPES = {"application/x-ndjson", "application/vnd.elasticsearch+x-ndjson", "application/json"}
JSON_TYPES = {"application/json", "application/vnd.elasticsearch+json"}
Fault = Callable[[web.Request], Awaitable[web.StreamResponse | None]]
ItemFault = Callable[[str, dict[str, Any]], tuple[int, str, str] | None]


def error(status: int, kind: str, reason: str, **more: Any) -> dict[str, Any]:
    """An error body as Elasticsearch writes it."""
    cause = {"type": kind, "reason": reason, **more}
    return {"error": {"root_cause": [cause], **cause}, "status": status}


class Refused(Exception):
    """Ends a request with an error body."""

    def __init__(self, status: int, kind: str, reason: str, **more: Any) -> None:
        self.status = status
        self.body = error(status, kind, reason, **more)
        super().__init__(reason)


class Index:
    """Documents of one (backing) index, and the template's mappings."""

    def __init__(self, name: str, mappings: dict[str, Any]) -> None:
        self.name = name
        self.mappings = mappings
        self.documents: dict[str, dict[str, Any]] = {}


class DataStream:
    """Backing indices; the last one is written to."""

    def __init__(self, name: str, mappings: dict[str, Any]) -> None:
        self.name = name
        self.mappings = mappings
        self.backing: list[Index] = []
        self.roll_over()

    def roll_over(self) -> None:
        number = len(self.backing) + 1
        self.backing.append(Index(f".ds-{self.name}-{datetime.now(UTC):%Y.%m.%d}-{number:06d}", self.mappings))


class FakeElasticsearch:
    """The server. Usable as a context manager: it runs in a thread of its own, on a port of its own."""

    def __init__(
        self,
        *,
        api_key: str = "",
        basic_auth: tuple[str, str] | None = None,
        product: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """With ``api_key`` or ``basic_auth`` it demands them; without ``product`` it is something else."""
        self.indices: dict[str, Index] = {}
        self.streams: dict[str, DataStream] = {}
        self.templates: dict[str, dict[str, Any]] = {}
        self.policies: dict[str, dict[str, Any]] = {}
        self.arrivals: list[str] = []
        """Ids of stored documents in the order of their arrival."""
        self.requests: list[str] = []
        self.max_content_length = 100 * 1024 * 1024
        self.item_fault: ItemFault | None = None
        self.forbidden: set[str] = set()
        """Paths' beginnings that the credentials have no right to."""
        self.port = 0
        self._api_key = api_key
        self._basic_auth = basic_auth
        self._product = product
        self._tls = tls
        self._faults: list[Fault] = []
        self._always: Fault | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._runner: web.AppRunner | None = None
        self._sequence = 0

    # Running.

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(self._loop, started), name="fake-elasticsearch")
        self._thread.start()
        assert started.wait(10)

    def stop(self) -> None:
        """Go away: connections are closed, documents stay."""
        loop, thread = self._loop, self._thread
        if loop is not None and thread is not None and thread.is_alive():
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _run(self, loop: asyncio.AbstractEventLoop, started: threading.Event) -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(self.listen(self.port))
        loop.call_soon(started.set)
        loop.run_forever()
        assert self._runner is not None
        loop.run_until_complete(cut_off(self._runner))
        for task in asyncio.all_tasks(loop):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                loop.run_until_complete(task)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    async def listen(self, port: int) -> None:
        """Serve in the running loop."""
        application = web.Application(client_max_size=1 << 40)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True, ssl_context=self._tls)
        await site.start()
        self.port = self._runner.addresses[0][1]

    # Faults.

    def fail(self, *faults: Fault) -> None:
        """Answer the next requests with these, one each."""
        self._faults.extend(faults)

    def fail_always(self, fault: Fault | None) -> None:
        """Answer every request with this, until called with None."""
        self._always = fault

    # What is stored, for those who look from outside.

    def all_documents(self) -> list[dict[str, Any]]:
        """Sources in the order of arrival, of all indices."""
        found = {
            identity: source
            for index in (*self.indices.values(), *(b for s in self.streams.values() for b in s.backing))
            for identity, source in index.documents.items()
        }
        return [found[identity] for identity in self.arrivals if identity in found]

    # Requests.

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        fault = self._always or (self._faults.pop(0) if self._faults else None)
        if fault is not None:
            answer = await fault(request)
            if answer is not None:
                self._brand(answer)
                return answer
        try:
            body = await request.read()
            if len(body) > self.max_content_length:
                return web.Response(status=413)  # without a body, as Elasticsearch and proxies do it
            if request.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            self._authorise(request)
            status, answer_body = self._route(request, body)
        except Refused as refused:
            status, answer_body = refused.status, refused.body
        accept = request.headers.get("Accept", "")
        kind = (
            "application/vnd.elasticsearch+json;compatible-with=8"
            if "vnd.elasticsearch" in accept
            else "application/json"
        )
        response = web.Response(
            status=status,
            body=b"" if request.method == "HEAD" else json.dumps(answer_body).encode(),
            headers={"Content-Type": kind},
        )
        self._brand(response)
        return response

    def _brand(self, response: web.StreamResponse) -> None:
        if self._product:
            response.headers["X-elastic-product"] = "Elasticsearch"

    def _authorise(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "")
        wanted = []
        if self._api_key:
            wanted.append(f"ApiKey {self._api_key}")
        if self._basic_auth:
            wanted.append("Basic " + base64.b64encode(":".join(self._basic_auth).encode()).decode())
        if wanted and given not in wanted:
            problem = "missing authentication credentials" if not given else "unable to authenticate user"
            raise Refused(401, "security_exception", f"{problem} for REST request [{request.path}]")
        if any(request.path.startswith(path) for path in self.forbidden):
            raise Refused(403, "security_exception", f"action [{request.path}] is unauthorized for API key id [x]")

    def _route(self, request: web.Request, body: bytes) -> tuple[int, Any]:  # noqa: PLR0911, PLR0912  a table of routes
        parts = [part for part in request.path.split("/") if part]
        match request.method, parts:
            case (("GET" | "HEAD"), []):
                return 200, self._info()
            case (("POST" | "PUT"), ["_bulk"]):
                return 200, self._bulk(request, body, None)
            case (("POST" | "PUT"), [name, "_bulk"]):
                return 200, self._bulk(request, body, name)
            case "PUT", ["_index_template", name]:
                return 200, self._put_template(name, self._json(request, body))
            case "GET", ["_index_template", name]:
                if name not in self.templates:
                    raise Refused(404, "resource_not_found_exception", f"index template matching [{name}] not found")
                return 200, {"index_templates": [{"name": name, "index_template": self.templates[name]}]}
            case "PUT", ["_ilm", "policy", name]:
                self.policies[name] = self._json(request, body)["policy"]
                return 200, {"acknowledged": True}
            case "PUT", ["_data_stream", name]:
                return 200, self._create_stream(name)
            case "GET", ["_data_stream", name]:
                return 200, {
                    "data_streams": [self._describe(s) for n, s in self.streams.items() if fnmatch.fnmatch(n, name)]
                }
            case "DELETE", ["_data_stream", name]:
                for stream in [n for n in self.streams if fnmatch.fnmatch(n, name)]:
                    del self.streams[stream]
                return 200, {"acknowledged": True}
            case "POST", [name, "_rollover"]:
                self.streams[name].roll_over()
                return 200, {"acknowledged": True, "rolled_over": True}
            case "POST", [name, "_refresh"]:
                return 200, {"_shards": self._shards(len(self._matching(request, name)))}
            case (("GET" | "POST"), [name, "_count"]):
                hits = self._hits(request, name, self._json(request, body))
                return 200, {"count": len(hits), "_shards": self._shards(1)}
            case (("GET" | "POST"), [name, "_search"]):
                return 200, self._search(request, name, self._json(request, body))
            case "DELETE", [name]:
                for index in [n for n in self.indices if fnmatch.fnmatch(n, name)]:
                    del self.indices[index]
                return 200, {"acknowledged": True}
        raise Refused(400, "illegal_argument_exception", f"no handler for [{request.method} {request.path}]")

    def _info(self) -> dict[str, Any]:
        return {
            "name": "stand-in",
            "cluster_name": "stand-in",
            "cluster_uuid": "stand-in",
            "version": {"number": "8.19.0", "build_flavor": "default", "lucene_version": "9.12.2"},
            "tagline": "You Know, for Search",
        }

    def _json(self, request: web.Request, body: bytes) -> dict[str, Any]:
        if not body:
            return {}
        self._check_type(request, JSON_TYPES)
        try:
            value = json.loads(body)
        except ValueError as problem:
            raise Refused(400, "x_content_parse_exception", str(problem)) from None
        return value if isinstance(value, dict) else {}

    def _check_type(self, request: web.Request, allowed: set[str]) -> None:
        kind, _, parameters = request.headers.get("Content-Type", "").partition(";")
        if kind.strip() not in allowed:
            raise Refused(
                406, "media_type_header_exception", f"Invalid media-type value on headers [Content-Type] {kind}"
            )
        if "vnd.elasticsearch" in kind and "compatible-with=8" not in parameters.replace(" ", ""):
            raise Refused(400, "media_type_header_exception", "A compatible version is required on Content-Type")

    # Templates, indices and data streams.

    def _put_template(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        patterns = body.get("index_patterns")
        if not patterns:
            raise Refused(
                400, "action_request_validation_exception", "Validation Failed: 1: index patterns are missing;"
            )
        unknown = set(body) - {
            "index_patterns",
            "priority",
            "version",
            "_meta",
            "template",
            "data_stream",
            "composed_of",
            "allow_auto_create",
        }
        if unknown:
            raise Refused(400, "x_content_parse_exception", f"[index_template] unknown field [{unknown.pop()}]")
        for other, template in self.templates.items():
            same = other != name and template.get("priority") == body.get("priority")
            if same and set(template["index_patterns"]) & set(patterns):
                raise Refused(
                    400, "illegal_argument_exception", f"index template [{name}] has the same priority as {other}"
                )
        self.templates[name] = body
        return {"acknowledged": True}

    def _template_for(self, name: str) -> dict[str, Any] | None:
        fitting = [
            template
            for template in self.templates.values()
            if any(fnmatch.fnmatch(name, pattern) for pattern in template["index_patterns"])
        ]
        return max(fitting, key=lambda template: template.get("priority", 0), default=None)

    def _create_stream(self, name: str) -> dict[str, Any]:
        template = self._template_for(name)
        if template is None or "data_stream" not in template:
            raise Refused(
                400, "illegal_argument_exception", f"no matching index template found for data stream [{name}]"
            )
        if name in self.streams:
            raise Refused(400, "resource_already_exists_exception", f"data_stream [{name}] already exists")
        self.streams[name] = DataStream(name, template.get("template", {}).get("mappings", {}))
        return {"acknowledged": True}

    def _describe(self, stream: DataStream) -> dict[str, Any]:
        return {
            "name": stream.name,
            "timestamp_field": {"name": "@timestamp"},
            "indices": [{"index_name": index.name} for index in stream.backing],
            "generation": len(stream.backing),
        }

    def _target(self, name: str) -> Index | DataStream:
        if name in self.streams:
            return self.streams[name]
        if name not in self.indices:
            if name != name.lower() or re.search(r'[\\/*?"<>| ,#]', name) or name[0] in "-_+":
                raise Refused(400, "invalid_index_name_exception", f"Invalid index name [{name}]")
            template = self._template_for(name)
            if template is not None and "data_stream" in template:
                self._create_stream(name)
                return self.streams[name]
            mappings = (template or {}).get("template", {}).get("mappings", {})
            self.indices[name] = Index(name, mappings)
        return self.indices[name]

    # Bulk.

    def _bulk(self, request: web.Request, body: bytes, default: str | None) -> dict[str, Any]:
        self._check_type(request, BULK_TYPES)
        if not body.endswith(b"\n"):
            raise Refused(400, "illegal_argument_exception", "The bulk request must be terminated by a newline [\\n]")
        started = time.monotonic()
        lines = body.split(b"\n")[:-1]
        items = [self._item(action, meta, source) for action, meta, source in self._actions(lines, default)]
        return {
            "errors": any("error" in next(iter(item.values())) for item in items),
            "took": int((time.monotonic() - started) * 1000),
            "items": items,
        }

    def _actions(self, lines: list[bytes], default: str | None) -> list[tuple[str, dict[str, Any], bytes]]:
        actions = []
        position = 0
        while position < len(lines):
            try:
                ((action, meta),) = json.loads(lines[position]).items()
            except (ValueError, AttributeError):
                raise Refused(
                    400, "illegal_argument_exception", f"Malformed action/metadata line [{position + 1}]"
                ) from None
            if action not in {"create", "index"}:
                raise Refused(400, "illegal_argument_exception", f"this stand-in knows no bulk action [{action}]")
            if position + 1 >= len(lines):
                raise Refused(
                    400, "illegal_argument_exception", "The bulk request must be terminated by a newline [\\n]"
                )
            meta.setdefault("_index", default)
            actions.append((action, meta, lines[position + 1]))
            position += 2
        if not actions:
            raise Refused(400, "action_request_validation_exception", "Validation Failed: 1: no requests added;")
        return actions

    def _item(self, action: str, meta: dict[str, Any], source: bytes) -> dict[str, Any]:
        name = meta["_index"]
        self._sequence += 1
        identity = meta.get("_id") or f"auto-{self._sequence}"
        try:
            document = self._parse(source)
            if self.item_fault is not None and (refusal := self.item_fault(identity, document)) is not None:
                raise Refused(*refusal)
            target = self._target(name)
            index = self._write_index(target, action, document)
            self._check_mapping(index.mappings.get("properties", {}), document)
            if identity in index.documents and action == "create":
                reason = f"[{identity}]: version conflict, document already exists (current version [1])"
                raise Refused(409, "version_conflict_engine_exception", reason, shard="0", index=index.name)
        except Refused as refused:
            failure = {k: v for k, v in refused.body["error"].items() if k != "root_cause"}
            return {action: {"_index": name, "_id": identity, "status": refused.status, "error": failure}}
        existed = identity in index.documents
        index.documents[identity] = document
        self.arrivals.append(identity)
        return {
            action: {
                "_index": index.name,
                "_id": identity,
                "_version": 1,
                "result": "updated" if existed else "created",
                "_shards": self._shards(1),
                "_seq_no": self._sequence,
                "_primary_term": 1,
                "status": 200 if existed else 201,
            }
        }

    def _parse(self, source: bytes) -> dict[str, Any]:
        try:
            document = json.loads(source, object_pairs_hook=_unique)
        except ValueError as problem:
            raise Refused(400, "document_parsing_exception", f"[1:1] failed to parse: {problem}") from None
        if not isinstance(document, dict):
            raise Refused(400, "document_parsing_exception", "[1:1] failed to parse")
        return document

    def _write_index(self, target: Index | DataStream, action: str, document: dict[str, Any]) -> Index:
        if isinstance(target, Index):
            return target
        if action != "create":
            raise Refused(
                400,
                "illegal_argument_exception",
                "only write ops with an op_type of create are allowed in data streams",
            )
        if "@timestamp" not in document:
            raise Refused(400, "document_parsing_exception", "data stream timestamp field [@timestamp] is missing")
        return target.backing[-1]

    def _check_mapping(self, properties: dict[str, Any], document: dict[str, Any]) -> None:
        for field, value in document.items():
            mapping = properties.get(field)
            if mapping is None or value is None:
                continue
            if "properties" in mapping:
                for part in value if isinstance(value, list) else [value]:
                    if not isinstance(part, dict):
                        raise Refused(
                            400, "document_parsing_exception", f"object mapping for [{field}] tried to parse a value"
                        )
                    self._check_mapping(mapping["properties"], part)
            elif not mapping.get("ignore_malformed") and not _fits(mapping.get("type", "object"), value):
                raise Refused(
                    400,
                    "document_parsing_exception",
                    f"[1:1] failed to parse field [{field}] of type [{mapping['type']}]",
                    caused_by={"type": "illegal_argument_exception", "reason": f'For input string: "{value}"'},
                )

    # Searching.

    def _matching(self, request: web.Request, expression: str) -> list[Index]:
        found: list[Index] = []
        for name in expression.split(","):
            found += [index for key, index in self.indices.items() if fnmatch.fnmatch(key, name)]
            found += [b for key, stream in self.streams.items() if fnmatch.fnmatch(key, name) for b in stream.backing]
            if not found and "*" not in name and request.query.get("ignore_unavailable") != "true":
                raise Refused(404, "index_not_found_exception", f"no such index [{name}]")
        return found

    def _hits(self, request: web.Request, name: str, body: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
        query = body.get("query") or {"match_all": {}}
        return [
            (index.name, identity, source)
            for index in self._matching(request, name)
            for identity, source in index.documents.items()
            if _matches(query, identity, source)
        ]

    def _search(self, request: web.Request, name: str, body: dict[str, Any]) -> dict[str, Any]:
        hits = self._hits(request, name, body)
        for sort in reversed(_sorts(body.get("sort", []))):
            hits.sort(key=lambda hit, path=sort[0]: _field(hit[2], path), reverse=sort[1])  # type: ignore[misc]
        size = int(body.get("size", request.query.get("size", 10)))
        if size > 10_000:
            raise Refused(400, "illegal_argument_exception", "Result window is too large, must be at most [10000]")
        shown = [
            {"_index": index, "_id": identity, "_score": 1.0}
            | ({} if body.get("_source") is False else {"_source": source})
            for index, identity, source in hits[:size]
        ]
        return {
            "took": 1,
            "timed_out": False,
            "_shards": self._shards(1),
            "hits": {"total": {"value": len(hits), "relation": "eq"}, "max_score": 1.0, "hits": shown},
        }

    def _shards(self, number: int) -> dict[str, int]:
        return {"total": number, "successful": number, "failed": 0}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("Duplicate field")
    return found


def _fits(kind: str, value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(_fits_one(kind, one) for one in values)


def _fits_one(kind: str, value: Any) -> bool:  # noqa: PLR0911  a table of types
    if kind in {"long", "integer", "float", "double"}:
        return isinstance(value, int | float) or (
            isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value) is not None
        )
    if kind == "boolean":
        return value in (True, False, "true", "false", "")
    if kind == "date":
        return isinstance(value, int) or (
            isinstance(value, str) and re.match(r"\d{4}-\d{2}-\d{2}(T|$)", value) is not None
        )
    if kind == "ip":
        with contextlib.suppress(ValueError):
            return bool(ipaddress.ip_address(value))
        return False
    if kind in {"keyword", "text"}:
        return not isinstance(value, dict)
    return kind != "object" or isinstance(value, dict)


def _field(source: dict[str, Any], path: str) -> Any:
    value: Any = source
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    return value


def _sorts(sort: Any) -> list[tuple[str, bool]]:
    sorts = []
    for item in sort if isinstance(sort, list) else [sort]:
        if isinstance(item, str):
            sorts.append((item, False))
        else:
            ((field, how),) = item.items()
            sorts.append((field, (how if isinstance(how, str) else how.get("order")) == "desc"))
    return sorts


def _matches(query: dict[str, Any], identity: str, source: dict[str, Any]) -> bool:
    ((kind, what),) = query.items()
    if kind == "match_all":
        return True
    if kind == "ids":
        return identity in what["values"]
    if kind == "term":
        ((field, wanted),) = what.items()
        return bool(_field(source, field) == (wanted["value"] if isinstance(wanted, dict) else wanted))
    raise Refused(400, "parsing_exception", f"this stand-in knows no query [{kind}]")


# Faults: each makes what ``fail`` and ``fail_always`` take.


def answers(status: int, kind: str = "es_rejected_execution_exception", reason: str = "rejected execution") -> Fault:
    """Refuse the request as a whole."""

    async def fault(_request: web.Request) -> web.StreamResponse:
        return web.json_response(error(status, kind, reason), status=status)

    return fault


def bad_gateway() -> Fault:
    """Answer as a proxy does whose Elasticsearch is away: HTML, and no product header of its own."""

    async def fault(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=502, text="<html><h1>502 Bad Gateway</h1></html>", content_type="text/html")

    return fault


def hangs(seconds: float = 3600.0) -> Fault:
    """Take the request and say nothing."""

    async def fault(request: web.Request) -> web.StreamResponse:
        await request.read()
        await asyncio.sleep(seconds)
        return web.Response(status=504)

    return fault


def cuts() -> Fault:
    """Close the connection without a word; nothing is stored."""

    async def fault(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response(status=500)

    return fault


def stores_and_cuts(server: FakeElasticsearch) -> Fault:
    """Carry the request out, then close the connection: the client cannot know that it is stored."""

    async def fault(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        with contextlib.suppress(Refused):
            server._route(request, body)
        assert request.transport is not None
        request.transport.close()
        return web.Response(status=500)

    return fault


def healthy() -> Fault:
    """No fault: lets one request pass between faults."""

    async def fault(_request: web.Request) -> None:
        return None

    return fault


def running(**options: Any) -> Iterator[FakeElasticsearch]:
    """For fixtures."""
    with FakeElasticsearch(**options) as server:
        yield server


async def _serve(port: int, *, hang: bool) -> None:
    server = FakeElasticsearch()
    if hang:
        server.fail_always(hangs())
    await server.listen(port)
    print(server.port, flush=True)  # noqa: T201  a program tells its port
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A stand-in for Elasticsearch.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--hang", action="store_true", help="take every request and answer none")
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(arguments.port, hang=arguments.hang))
