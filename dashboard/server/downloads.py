"""Files as answers, sent piece by piece."""

from __future__ import annotations

from collections.abc import AsyncIterator

from asgiref.sync import sync_to_async
from django.http import FileResponse


class Download(FileResponse):
    """A file, read in a thread as the browser takes it. Under ASGI a plain ``FileResponse`` is read
    whole first, with a warning of its synchronous iterator."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield pieces of ``block_size`` bytes."""
        if self.file_to_stream is None:
            raise TypeError("a download needs a file")
        read = sync_to_async(self.file_to_stream.read, thread_sensitive=False)
        while piece := await read(self.block_size):
            yield piece
