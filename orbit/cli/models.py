"""``orbit models``: the models that clients may name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orbit.cli.shared.target import EXIT_CODES, Target, target_options

if TYPE_CHECKING:
    from orbit.host.model_list import ModelInfo, ModelProvider


@click.command(epilog=EXIT_CODES)
@target_options
def models(target: Target) -> None:
    """List the models that clients may name, with their providers and fallbacks.

    Health, window and what they support come from the running server: the one of --url, or of the configuration. A
    provider that failed gets no requests for a while; each worker decides for itself, and one of them answers.
    """
    found = _of_server(target) if target.url else _of_configuration(target)
    rows = [
        [
            _name(model) if number == 0 else "",
            each.provider,
            each.model or "-",
            _health(each),
            "-" if each.window is None else str(each.window),
            ", ".join(each.supports) or "-",
            (", ".join(model.fallback) or "-") if number == 0 else "",
        ]
        for model in found
        for number, each in enumerate(model.providers)
    ]
    columns = ["model", "provider", "its model", "health", "window", "supports", "fallback"]
    target.show_all(found, columns, rows, empty="No enabled provider generates.")


def _of_server(target: Target) -> list[ModelInfo]:
    from orbit.admin.client import RemoteAdministration

    async def work(admin: object) -> list[ModelInfo]:
        assert isinstance(admin, RemoteAdministration)
        return await admin.list_models()

    return target.do(work)


def _of_configuration(target: Target) -> list[ModelInfo]:
    from orbit.cli.shared.running import ask
    from orbit.host.host import OrbitHost
    from orbit.host.model_list import ModelInfo, model_list

    host = OrbitHost.from_file(target.config_path, needed=["generate"])
    host.raise_problems()
    found = ask(host.config, "/admin/models", list[ModelInfo])
    if found is not None:
        return found
    click.echo("No server of this configuration answers, so health, window and support are unknown.", err=True)
    return model_list(host)


def _name(model: ModelInfo) -> str:
    note = "default" if model.default else "internal" if model.internal else ""
    return f"{model.name} ({note})" if note else model.name


def _health(provider: ModelProvider) -> str:
    if provider.health is None:
        return "-"
    detail = f": {provider.health.detail}" if provider.health.detail else ""
    rests = f"; no requests for {provider.cooldown:.0f} s" if provider.cooldown else ""
    return f"{provider.health.status}{detail}{rests}"
