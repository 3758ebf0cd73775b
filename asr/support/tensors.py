"""Tensors in a file that is whole or noticed: safetensors, a JSON header, and a SHA-256 over all of it.

Nothing in such a file is ever executed, and no flipped bit is ever loaded.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from asr.errors import AsrError, BundleError
from asr.support import files


def write(path: Path, format: str, header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write tensors with a header, whole or not at all.

    Args:
        path: The file.
        format: What it is, and in which version.
        header: What JSON can represent.
        tensors: By name.

    Raises:
        AsrError: It cannot be written, or a tensor contains NaN or Inf.
    """
    if broken := [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]:
        raise AsrError(f"{path}: {broken[0]} contains NaN or Inf; not saved, the previous file is unchanged")
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(header, ensure_ascii=False)
    metadata = {"format": format, "header": text, "sha256": _digest(plain, text)}
    with files.replacing(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(plain, metadata))


def read(path: Path, format: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the header and the tensors of a file, verified.

    Args:
        path: The file.
        format: What it must be.

    Raises:
        BundleError: It is missing, damaged or something else.
    """
    metadata, tensors = _read(path)
    if metadata.get("format") != format:
        raise BundleError(
            f"{path}: is not an '{format}' file ({metadata.get('format')!r}); pass a file written by `asr train`"
        )
    if metadata.get("sha256") != _digest(tensors, metadata.get("header", "")):
        raise BundleError(f"{path}: its contents do not match their checksum; copy it again or train again")
    try:
        header: dict[str, Any] = dict(json.loads(metadata["header"]))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise BundleError(f"{path}: its header is damaged ({error}); copy it again or train again") from error
    return header, tensors


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {}), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise BundleError(f"{path}: no such bundle; train first, or pass the path of a .safetensors file") from None
    except (OSError, safetensors.SafetensorError) as error:
        raise BundleError(f"{path}: not a bundle, or damaged ({error}); copy it again or train again") from error


def _digest(tensors: Mapping[str, Tensor], header: str) -> str:
    digest = hashlib.sha256(header.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)  # NumPy has no bfloat16
    return digest.hexdigest()
