"""Fetches pinned source distributions from the package index, without running anything of theirs.

The index is the one that pip is configured with. The simple repository API is PEP 503; the file's
sha256 is pinned by the caller. Unpacking uses tarfile's `data` filter (PEP 706).
"""

from __future__ import annotations

import contextlib
import hashlib
import html
import os
import re
import ssl
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from v4agent.errors import ServerFailed, UsageError

TIMEOUT_SECONDS = 60
MAX_BYTES = 50_000_000
_LINK = re.compile(r"<a\b[^>]*?href=[\"']([^\"']+)[\"']", re.IGNORECASE)


def fetch(package: str, version: str, filename: str, sha256: str, cache_dir: Path) -> Path:
    """Download a source distribution, or take it from the cache.

    Raises:
        ServerFailed: the index can't be reached or does not have it.
        UsageError: what came does not have the pinned hash.
    """
    target = cache_dir / filename
    if target.is_file() and _sha256(target.read_bytes()) == sha256:
        return target
    data = _get(_find(package, filename))
    if _sha256(data) != sha256:
        raise UsageError(
            f"{filename} of {package} {version} does not have the pinned hash: it was not used",
            hint="the index serves another file under this name; report it",
        )
    cache_dir.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(f".part{os.getpid()}")
    part.write_bytes(data)
    part.replace(target)
    return target


def extract(archive: Path, target: Path) -> None:
    """Unpack the one top folder of a source distribution as `target`.

    Raises:
        UsageError: the archive is no source distribution, or reaches out of its folder.
    """
    staging = target.with_name(f".{target.name}.unpacked")
    staging.mkdir(parents=True)
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(staging, filter="data")
        tops = [p for p in staging.iterdir() if p.is_dir()]
        if len(tops) != 1:
            raise UsageError(f"{archive.name} has {len(tops)} top folders, not one")
        if target.exists():
            target.rmdir()
        tops[0].rename(target)
    except (tarfile.TarError, OSError) as error:
        raise UsageError(f"{archive.name} can't be unpacked: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            staging.rmdir()


def _find(package: str, filename: str) -> str:
    name = re.sub(r"[-_.]+", "-", package).lower()
    page_url = f"{index_url().rstrip('/')}/{name}/"
    page = _get(page_url).decode("utf-8", errors="replace")
    for link in _LINK.findall(page):
        url = urljoin(page_url, html.unescape(link)).partition("#")[0]
        if urlsplit(url).path.endswith("/" + filename):
            return url
    raise ServerFailed(
        f"the package index has no {filename}", hint="see `pip config list` for the index in use"
    )


@cache
def index_url() -> str:
    """The index that pip uses: its environment, its configuration, else its default."""
    configured = os.environ.get("PIP_INDEX_URL") or _pip_config()
    if configured:
        return configured
    from pip._internal.models.index import PyPI

    return str(PyPI.simple_url)


def _pip_config() -> str:
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd="/")
    return done.stdout.strip() if done.returncode == 0 else ""


def _get(url: str) -> bytes:
    request = urllib.request.Request(url, headers={"Accept": "text/html"})
    context = None
    bundle = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    if url.startswith("https:") and bundle:
        context = ssl.create_default_context(cafile=bundle)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=context) as answer:
            data: bytes = answer.read(MAX_BYTES + 1)
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise ServerFailed(
            f"the package index can't be reached: {reason}",
            hint="check the network, or pip's index (`pip config list`)",
        ) from error
    if len(data) > MAX_BYTES:
        raise ServerFailed("the file is larger than any that is pinned here")
    return data


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
