"""A file store: what is left beside the device for it, below one folder."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

from ..exporter.driver import Driver, export
from .file_handles import Handles

HASHES = ("md5", "sha256")
_CAN = (
    "stat",
    "read",
    "write",
    "write_can_multi",
    "write_can_empty",
    "create_dir",
    "delete",
    "copy",
    "rename",
    "list",
    "blocking",
)
_CANNOT = (
    *("stat_with_if_match", "stat_with_if_none_match", "read_with_if_match", "read_with_if_none_match"),
    *("read_with_override_cache_control", "read_with_override_content_disposition", "read_with_override_content_type"),
    *("write_can_append", "write_with_content_type", "write_with_content_disposition", "write_with_cache_control"),
    *("list_with_limit", "list_with_start_after", "list_with_recursive"),
    *("presign", "presign_read", "presign_stat", "presign_write", "shared"),
)
_WITHOUT_LIMIT = ("write_multi_max_size", "write_multi_min_size", "write_total_max_size")


class FileStore(Driver):
    """Keeps files for clients, below one folder and never outside it. Folders are written with a slash at the end.

    Args:
        root: the folder; a temporary one, which goes with the session, unless given.
        remove_created_on_close: removes what clients made when the session ends.
        files: texts that are there when the session starts, by path.
        **driver: what every driver takes.
    """

    def __init__(
        self,
        *,
        root: str | None = None,
        remove_created_on_close: bool = False,
        files: Mapping[str, str] | None = None,
        **driver: Any,
    ) -> None:
        super().__init__(**driver)
        self._given = Path(root).expanduser() if root else None
        self._root: Path | None = None
        self._remove_created = remove_created_on_close
        self._initial = dict(files or {})
        self._handles = Handles()
        self._created: set[str] = set()

    @classmethod
    def client(cls) -> str:
        """The type tag of file stores."""
        return "jumpstarter_driver_opendal.client.OpendalClient"

    @property
    def root(self) -> Path:
        """The folder in which everything is."""
        if self._root is None:
            folder = self._given or Path(tempfile.mkdtemp(prefix="jumpstarter-files-"))
            folder.mkdir(parents=True, exist_ok=True)
            self._root = folder.resolve()
        return self._root

    # ---------------------------------------------------------------- open files

    @export
    def open(self, path: str, mode: str) -> UUID:
        """Opens a file to read (`rb`) or write (`wb`) it, and returns its handle. Folders above it are made as needed.

        Raises:
            FileNotFoundError: there is none to read.
            ValueError: the mode or the path is wrong.
        """
        place = self._file(path)
        if mode == "wb":
            place.parent.mkdir(parents=True, exist_ok=True)
            self._created.add(_plain(path))
        elif not place.exists():
            raise _missing(path)
        return self._handles.open(place, mode)

    @export
    async def file_write(self, fd: str, src: object) -> int:
        """Writes a resource to an open file; returns how many bytes. A broken upload leaves no file."""
        async with self.resource(src) as stream:
            return await self._handles[fd].write(stream)

    @export
    async def file_read(self, fd: str, dst: object) -> int:
        """Reads an open file from its position on into a resource; returns how many bytes."""
        async with self.resource(dst) as stream:
            return await self._handles[fd].read(stream)

    @export
    def file_seek(self, fd: str, pos: int, whence: int = 0) -> int:
        """Moves the position from the beginning (0), from where it is (1) or from the end (2), and returns it."""
        return self._handles[fd].seek(pos, whence)

    @export
    def file_tell(self, fd: str) -> int:
        """Returns the position."""
        return self._handles[fd].tell()

    @export
    def file_close(self, fd: str) -> None:
        """Closes a file."""
        self._handles[fd].close()

    @export
    def file_closed(self, fd: str) -> bool:
        """Returns whether a file is closed."""
        return self._handles[fd].closed

    @export
    def file_readable(self, fd: str) -> bool:
        """Returns whether a file can be read."""
        return self._handles[fd].mode == "rb"

    @export
    def file_seekable(self, fd: str) -> bool:
        """Returns whether a file has a position that can be moved."""
        return self._handles[fd].mode == "rb"

    @export
    def file_writable(self, fd: str) -> bool:
        """Returns whether a file can be written."""
        return self._handles[fd].mode == "wb"

    # -------------------------------------------------------------------- looking

    @export
    def stat(self, path: str) -> dict[str, object]:
        """Returns what is known about a file or folder: `content_length` in bytes, `mode`, and names that are empty here.

        Raises:
            FileNotFoundError: there is none.
        """
        place = self._place(path)
        if not place.exists() or (_is_folder(path) and place.is_file()):
            raise _missing(path)
        empty = dict.fromkeys(("content_disposition", "content_md5", "content_type", "etag"))
        length = place.stat().st_size if place.is_file() else 0
        return {**empty, "content_length": length, "mode": {"entry_is_file": place.is_file(), "entry_is_dir": place.is_dir()}}

    @export
    def exists(self, path: str) -> bool:
        """Returns whether there is such a file or folder."""
        place = self._place(path)
        return place.is_dir() if _is_folder(path) else place.exists()

    @export
    def hash(self, path: str, algo: str = "sha256") -> str:
        """Returns the hash of a file, as hexadecimal digits.

        Raises:
            FileNotFoundError: there is none.
            ValueError: the algorithm is not `sha256` or `md5`.
        """
        if algo not in HASHES:
            raise ValueError(f"there are the hashes {' and '.join(HASHES)}, not {algo!r}"[:200])
        place = self._file(path)
        if not place.exists():
            raise _missing(path)
        with place.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.new(algo, usedforsecurity=False)).hexdigest()

    @export
    def list(self, path: str) -> Generator[str, None, None]:
        """Yields a folder and what is in it, as paths from the root; of a file, its path. Yields nothing if it does not exist."""
        yield from self._listed(path, "*")

    @export
    def scan(self, path: str) -> Generator[str, None, None]:
        """Yields a folder and everything below it, as paths from the root. Yields nothing if it does not exist."""
        yield from self._listed(path, "**/*")

    # ------------------------------------------------------------------- changing

    @export
    def create_dir(self, path: str) -> None:
        """Makes a folder and those above it; one that exists already is fine.

        Raises:
            ValueError: the path has no slash at its end.
        """
        if not _is_folder(path):
            raise ValueError(f"NotADirectory: a folder is written with a slash at the end: '{path}/'")
        self._place(path).mkdir(parents=True, exist_ok=True)
        self._created.add(_plain(path))

    @export
    def copy(self, source: str, target: str) -> None:
        """Copies a file.

        Raises:
            FileNotFoundError: there is none.
        """
        self._from_to(source, target, shutil.copyfile)

    @export
    def rename(self, source: str, target: str) -> None:
        """Moves a file, in place of one that may be there.

        Raises:
            FileNotFoundError: there is none.
        """
        self._from_to(source, target, Path.replace)
        self._created.discard(_plain(source))

    @export
    def delete(self, path: str) -> None:
        """Removes a file or an empty folder, if there is one.

        Raises:
            OSError: the folder is not empty.
        """
        place = self._place(path)
        self._check_not_root(place)
        if place.is_dir():
            if any(place.iterdir()):
                raise OSError(f"the folder '{path}' is not empty")
            place.rmdir()
        elif not _is_folder(path):
            place.unlink(missing_ok=True)
        self._created.discard(_plain(path))

    @export
    def remove_all(self, path: str) -> None:
        """Removes a file, or a folder with everything in it, if there is one. The root itself stays."""
        place = self._place(path)
        if place.is_file():
            place.unlink()
        for each in list(place.iterdir()) if place == self.root else [place]:
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each)
            elif each.exists():
                each.unlink()
        gone = _plain(path)
        self._created = {each for each in self._created if gone and each != gone and not each.startswith(f"{gone}/")}

    # --------------------------------------------------------------------- others

    @export
    def presign_stat(self, path: str, expire_second: int) -> None:
        """Is not supported: there is no web server in front of these files."""
        raise _no_presigning()

    @export
    def presign_read(self, path: str, expire_second: int) -> None:
        """Is not supported: there is no web server in front of these files."""
        raise _no_presigning()

    @export
    def presign_write(self, path: str, expire_second: int) -> None:
        """Is not supported: there is no web server in front of these files."""
        raise _no_presigning()

    @export
    def capability(self) -> dict[str, bool | None]:
        """Returns what this store can do, by the names that upstream's stores have for it."""
        return dict.fromkeys(_CAN, True) | dict.fromkeys(_CANNOT, False) | dict.fromkeys(_WITHOUT_LIMIT)

    @export
    def get_created_resources(self) -> Sequence[str]:
        """Returns the paths of what was made in this session."""
        return sorted(self._created)

    @export
    def register_path(self, path: str) -> None:
        """Has a path treated as made in this session."""
        self._place(path)
        self._created.add(_plain(path))

    def reset(self) -> None:
        """Closes files that were left open, and puts the first files there if they are missing."""
        self._handles.close()
        for path, text in self._initial.items():
            place = self._file(path)
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text, encoding="utf-8")

    def close(self) -> None:
        """Closes files, and removes a temporary folder, or what was made if that is wanted."""
        self._handles.close()
        if self._root is not None and self._given is None:
            shutil.rmtree(self._root, ignore_errors=True)
        elif self._remove_created:
            for path in sorted(self._created, reverse=True):
                self.remove_all(path)
        self._root = None
        self._created.clear()

    def _place(self, path: str) -> Path:
        """Returns where a path is; nothing outside the root can be named."""
        if not isinstance(path, str) or "\0" in path:
            raise ValueError(f"{path!r} is no path"[:200])
        if ".." in PurePosixPath(path).parts:
            raise ValueError(f"'{path}' may lead out of the store: '..' is not allowed"[:400])
        place = self.root / path.lstrip("/")
        if not place.resolve().is_relative_to(self.root):
            raise ValueError(f"'{path}' leads out of the store"[:400])
        return place

    def _file(self, path: str) -> Path:
        place = self._place(path)
        if _is_folder(path) or place.is_dir():
            raise ValueError(f"IsADirectory: '{path}' is a folder, no file"[:400])
        return place

    def _check_not_root(self, place: Path) -> None:
        if place == self.root:
            raise ValueError("the root of the store cannot be removed")

    def _from_to(self, source: str, target: str, act: Any) -> None:
        old, new = self._file(source), self._file(target)
        if not old.exists():
            raise _missing(source)
        if old == new:
            raise ValueError(f"'{source}' and '{target}' are the same file")
        new.parent.mkdir(parents=True, exist_ok=True)
        act(old, new)
        self._created.add(_plain(target))

    def _listed(self, path: str, pattern: str) -> Generator[str, None, None]:
        place = self._place(path)
        if place.is_file() and not _is_folder(path):
            yield self._shown(place)
        elif place.is_dir():
            yield self._shown(place)
            for each in sorted(place.glob(pattern)):
                yield self._shown(each)

    def _shown(self, place: Path) -> str:
        path = "" if place == self.root else place.relative_to(self.root).as_posix()
        return f"{path}/" if place.is_dir() else path


def _is_folder(path: str) -> bool:
    return path.endswith("/") or path == ""


def _plain(path: str) -> str:
    return PurePosixPath("/", path.lstrip("/")).as_posix().strip("/")


def _missing(path: str) -> FileNotFoundError:
    return FileNotFoundError(f"NotFound: there is no '{path}'"[:400])


def _no_presigning() -> NotImplementedError:
    return NotImplementedError("Unsupported: this store has no addresses for its files")
