"""``orbit restore``: a server from the file of ``orbit backup``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orbit.cli.shared.archive import Manifest
    from orbit.host.host import OrbitHost


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--config", "config_path", default="config.yaml", metavar="FILE", show_default=True,
              help="Configuration: used if it exists, else written from the backup.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Move existing data aside, to names that end in .before-restore.")
def restore(file: Path, config_path: str, *, overwrite: bool) -> None:
    """Restore a backup to where the configuration says. The server must be stopped.

    Without --overwrite, nothing that exists is touched: the command refuses and names it.
    """
    from orbit.cli.backup import places
    from orbit.cli.shared.archive import extract, read_manifest
    from orbit.host.host import OrbitHost

    manifest = read_manifest(file)
    config_file = Path(config_path)
    written = _configuration(file, manifest, config_file)
    host = OrbitHost.from_file(str(config_file), needed=())
    host.raise_problems()
    targets = {name: place for name, place in places(host).items() if name in manifest.roots}
    _require_fit(file, manifest, config_file, host, targets)
    _make_room(host.config.data_dir, targets, overwrite=overwrite)
    count = len(written) + sum(extract(file, name, place) for name, place in targets.items())
    if manifest.mongodb:
        _restore_mongodb(file, host)
    wrote = f" Wrote {' and '.join(written)}." if written else ""
    click.echo(f"Restored {count} files.{wrote} Start the server with --config {config_file}.")


def _configuration(file: Path, manifest: Manifest, config_file: Path) -> list[str]:
    """Write the configuration and ``.env`` if there is no configuration; return their names."""
    from orbit.cli.shared.archive import extract

    written: list[str] = []
    for name, place in (("config.yaml", config_file), ("env", config_file.parent / ".env")):
        if name in manifest.roots and not place.exists() and (name == "config.yaml" or written):
            extract(file, name, place)
            written.append(str(place))
    return written


def _require_fit(
    file: Path, manifest: Manifest, config_file: Path, host: OrbitHost, targets: Mapping[str, Path]
) -> None:
    """Raise ArchiveError if the configuration has no place for a part of the archive."""
    from orbit.cli.shared.archive import ArchiveError

    if host.config.host.mongodb.enabled != manifest.mongodb:
        backed_up, configured = ("MongoDB", "SQLite") if manifest.mongodb else ("SQLite", "MongoDB")
        sentence = (
            f"{file} has a database of {backed_up}, and {config_file} uses {configured}; restore it to its own kind, "
            "and move it with `orbit database copy`."
        )
        raise ArchiveError(sentence)
    if left := [name for name in manifest.roots if name.startswith("store-") and name not in targets]:
        raise ArchiveError(f"{config_file} has no place for {', '.join(left)} of the backup; enable that provider.")


def _make_room(data_dir: Path, targets: Mapping[str, Path], *, overwrite: bool) -> None:
    """Move existing data aside. Raises ArchiveError without ``overwrite``, and ConfigError beside a running server."""
    import time

    from orbit.cli.shared.archive import ArchiveError
    from orbit.serving.sole_server import LOCK, sole_server

    if (data_dir / LOCK).exists():
        with sole_server(data_dir):
            pass
        (data_dir / LOCK).unlink()
    there = [place for place in targets.values() if (any(place.iterdir()) if place.is_dir() else place.exists())]
    if there and not overwrite:
        raise ArchiveError(f"{', '.join(map(str, there))}: there is data already. --overwrite moves it aside first.")
    for place in there:
        place.rename(place.with_name(f"{place.name}.{int(time.time())}.before-restore"))


def _restore_mongodb(file: Path, host: OrbitHost) -> None:
    import tempfile

    from orbit.cli.backup import copy_mongodb
    from orbit.cli.shared.archive import extract

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "mongodb.db"
        extract(file, "mongodb.db", copy)
        copy_mongodb(host.config, copy, restore=True)
