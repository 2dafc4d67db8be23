"""Python packages of an image: names and versions, so that they can be imported and asked."""

from pathlib import Path

from simulator.lib import world

FOLDER = "usr/lib/python3/dist-packages"
_TORCH = {"0.7": "2.5.1+cpu", "0.8": "2.6.0+cpu", "0.9": "2.7.0+cpu"}


def furnish(folder: Path, vllm: str) -> None:
    """Write the packages of an image with this vLLM. Each such image has the vendor's two."""
    torch = _TORCH.get(vllm[:3], "2.9.0+cpu")
    for name, version in (
        ("vllm", vllm),
        ("vllm_vacc", f"{vllm}.1109"),
        ("torch", torch),
        ("torch_vacc", "1.3.0.1109"),
    ):
        package(folder, name, version)


def package(folder: Path, name: str, version: str) -> None:
    """One package that can be imported and whose version is known."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "__init__.py").write_text(
        f'"""Made up ({world.MARK})."""\n\n__version__ = {version!r}\n', encoding="utf-8"
    )
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: {world.MARK}\n",
        encoding="utf-8",
    )
