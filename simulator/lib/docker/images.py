"""Images: those of a registry, local ones, their vLLM."""

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any

from simulator.lib import world
from simulator.lib.docker import wire
from simulator.lib.docker.wire import DaemonError

# Tag of ai_deliver/vllm_vacc -> its vLLM; the list and the versions are the vendor's own.
TAGS = {
    "ds3_0530": "0.7.2",
    "ds3_0530_noavx": "0.7.2",
    "ds3_0530_arm": "0.7.2",
    "AI3.0_SP4_0704": "0.8.5",
    "AI3.0_SP5_0709": "0.8.5",
    "AI3.0_SP6_0718": "0.8.5",
    "AI3.0_SP7_0728": "0.9.2",
    "AI3.0_SP9_0811": "0.9.2",
    "AI3.1_POC_1013": "0.9.2",
    "AI3.1.1_GR_1031": "0.11.0",
    "AI3.2_GR_1202": "0.11.0",
    "VVI-25.12.SP1": "0.17.0",
    "VVI-26.02": "0.17.0",
    "VVI-26.05": "0.17.0",
    "latest": "0.17.0",
}
_LOCK = threading.Lock()
BASES = ("ubuntu:22.04", "ubuntu:20.04", "python:3.10")
_REFERENCE = re.compile(
    r"(?:[a-z0-9][a-z0-9.-]*(?::\d+)?/)?[a-z0-9]+(?:[._-]+[a-z0-9]+)*"
    r"(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*(?::[\w][\w.-]{0,127})?",
    re.ASCII,
)


def full(reference: str) -> str:
    """With its tag: ``latest`` unless it says another.

    Raises:
        DaemonError: it is not the name of an image.
    """
    if not _REFERENCE.fullmatch(reference):
        raise DaemonError(f"invalid reference format: {reference!r}")
    return reference if ":" in reference.rpartition("/")[2] else f"{reference}:latest"


def every() -> list[dict[str, Any]]:
    """All images here, the newest first."""
    images = _kept()
    if world.fault("image_missing"):
        images = [image for image in images if "vllm_vacc" not in image["ref"]]
    return sorted(images, key=lambda image: -image["created"])


def _kept() -> list[dict[str, Any]]:
    try:
        text = (wire.folder() / "images.json").read_text("utf-8")
    except FileNotFoundError:
        return []
    images: list[dict[str, Any]] = json.loads(text)
    return images


def find(reference: str) -> dict[str, Any] | None:
    """The image of that name or id; None: it is not here."""
    for image in every():
        if image["id"].removeprefix("sha256:").startswith(reference.removeprefix("sha256:")):
            return image
    try:
        named = full(reference)
    except DaemonError:
        return None
    return next((image for image in every() if image["ref"] == named), None)


def keep(reference: str, *, vllm: str, size: int) -> dict[str, Any]:
    """Write down an image that is here now; it takes the place of one of the same name."""
    digest = hashlib.sha256(f"{reference}{time.time_ns()}".encode()).hexdigest()
    image = {
        "ref": full(reference),
        "id": f"sha256:{digest}",
        "created": time.time(),
        "size": size,
        "vllm": vllm,
    }
    # Two clients may build at once, and what a fault hides is still there.
    with _LOCK:
        rest = [other for other in _kept() if other["ref"] != image["ref"]]
        world.write(wire.folder() / "images.json", json.dumps([*rest, image], indent=1))
    return image


def pull(reference: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Bring an image from a registry, with the client's progress lines (no terminal).

    Raises:
        DaemonError: no registry has it.
    """
    named = full(reference)
    name, _, tag = named.rpartition(":")
    say(f"{tag}: Pulling from {name.partition('/')[2] or 'library/' + name}")
    vllm = TAGS.get(tag) if name.endswith("ai_deliver/vllm_vacc") else None
    if vllm is None and named not in BASES:
        if "/" not in name:
            raise DaemonError(
                f"pull access denied for {name}, repository does not exist or may require "
                "'docker login': denied: requested access to the resource is denied"
            )
        raise DaemonError(f"manifest for {named} not found: manifest unknown: manifest unknown")
    layers = [hashlib.sha256(f"{named}{i}".encode()).hexdigest()[:12] for i in range(6)]
    for layer in layers:
        say(f"{layer}: Pulling fs layer")
    for number, layer in enumerate(layers):
        for status, seconds in (
            ("Verifying Checksum", 2),
            ("Download complete", 20 + 8 * number),
            ("Pull complete", 15),
        ):
            world.sleep(seconds)
            say(f"{layer}: {status}")
    image = keep(named, vllm=vllm or "", size=23_400_000_000)
    say(f"Digest: {image['id']}\nStatus: Downloaded newer image for {named}")
    return image
