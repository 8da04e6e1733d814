"""The worker, in a process that Ray starts on any machine of the cluster."""

from __future__ import annotations

from orbit.documents.engines import Job, Prepared, Worker


class RayWorker:
    """An actor: Ray ends its process with the ingestion."""

    def __init__(self, job: Job, depth: int) -> None:
        """Keep the job, of which it has ``depth`` files at the same time."""
        self._worker = Worker(job, depth)

    async def start(self) -> None:
        """Load the embedding model."""
        await self._worker.__aenter__()

    async def read(self, source: str, content: bytes, digest: str) -> Prepared:
        """Return what became of a file."""
        return await self._worker.read(source, content, digest)
