"""HEAD for every route that answers GET, and OPTIONS that names it."""

from __future__ import annotations

from copy import copy

from litestar import Litestar, Response
from litestar import route as handler_of
from litestar.handlers import HTTPRouteHandler
from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute


class HeadBesideGet(ReceiveRoutePlugin):
    """Lets each GET handler of an application also answer HEAD, unless the route has a handler of its own for it."""

    def __init__(self) -> None:
        self._options: dict[str, HTTPRouteHandler] = {}
        """By the methods that they name; routes with the same methods share one."""

    def receive_route(self, route: BaseRoute) -> None:
        """Add HEAD to a route as it joins the application; Litestar sends no body then."""
        if not isinstance(route, HTTPRoute):
            return
        handlers = route.route_handler_map
        if "GET" in handlers and "HEAD" not in handlers:
            handler, parameters = handlers["GET"]
            head = copy(handler)
            head.operation_id = f"HEAD {route.path}"  # unique in the OpenAPI document
            handlers["HEAD"] = (head, parameters)
            route.methods.add("HEAD")
        if handlers["OPTIONS"][0].handler_name == "options_handler":
            # Litestar's own asks for the router's key, and does not know the HEAD from above.
            allow = ", ".join(sorted(route.methods))
            if allow not in self._options:
                self._options[allow] = _options(route, allow)
            allowed = self._options[allow]
            handlers["OPTIONS"] = (allowed, allowed.create_kwargs_model(path_parameters=route.path_parameters))


def _options(route: HTTPRoute, allow: str) -> HTTPRouteHandler:
    """Return a handler that names the methods of a route to everybody."""

    @handler_of("/", http_method="OPTIONS", include_in_schema=False, status_code=204)
    async def allowed() -> Response[None]:
        return Response(None, status_code=204, headers={"Allow": allow})

    app = route.route_handlers[0].ownership_layers[0]
    assert isinstance(app, Litestar)
    allowed.owner = app
    allowed.on_registration(app)
    return allowed
