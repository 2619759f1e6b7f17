"""The files that the page serves: a dictionary from a key and a name to a path. What is not in it is not found, so no
address can lead anywhere else.

Results lie in the shelf's own folder, under random keys; the oldest are removed where they would take too much room.
"""

import io
import secrets
import shutil
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ARCHIVE = "pokegen.zip"  # all files of a result
BYTES = 2**29  # of all results


class Shelf:
    """Args:
    folder: an existing one, for this shelf alone.
    most: bytes of all results; the newest one stays in any case.
    """

    def __init__(self, folder: Path, most: int = BYTES):
        self.folder, self.most = folder, most
        self._pinned: dict[str, dict[str, Path]] = {}
        self._results: dict[str, dict[str, Path]] = {}  # oldest first
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()

    def pin(self, key: str, files: Mapping[str, Path]) -> None:
        """Serve files that lie elsewhere, by name, for as long as the shelf lives."""
        self._pinned[key] = dict(files)

    @contextmanager
    def place(self) -> Iterator[tuple[str, Path]]:
        """A new key and its empty folder. The files that are in it at the end are served; after an error, none."""
        key = secrets.token_hex(8)
        folder = self.folder / key
        folder.mkdir()
        try:
            yield key, folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        files = {path.name: path for path in sorted(folder.iterdir())}
        with self._lock:
            self._results[key] = files
            self._sizes[key] = sum(path.stat().st_size for path in files.values())
            while sum(self._sizes.values()) > self.most and len(self._results) > 1:
                self._remove(next(iter(self._results)))

    def keep(self, key: str) -> None:
        """Never remove a result to make room."""
        with self._lock:
            self._pinned[key] = self._results.pop(key)
            del self._sizes[key]

    def find(self, key: str, name: str) -> Path | None:
        with self._lock:
            return (self._pinned.get(key) or self._results.get(key) or {}).get(name)

    def archive(self, keys: list[str]) -> bytes | None:
        """A zip of all files of some results, of several a folder each. None where none of them is there."""
        with self._lock:
            found = [(self._results.get(key) or self._pinned.get(key) or {}) for key in keys]
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:  # stored: pictures are compressed already
            for number, files in enumerate(found, start=1):
                for name, path in files.items():
                    archive.write(path, name if len(keys) == 1 else f"{number:03d}/{name}")
        return buffer.getvalue() if any(found) else None

    def _remove(self, key: str) -> None:
        del self._results[key], self._sizes[key]
        shutil.rmtree(self.folder / key, ignore_errors=True)
