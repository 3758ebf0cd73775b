"""Tensors in one verified file: safetensors, a JSON header, and a SHA-256 over both.

Nothing in such a file is ever executed, and a flipped bit is always noticed. Tensors are NumPy's arrays here: whoever
only recognizes need not import torch.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from asr.errors import AsrError, BundleError
from asr.support import files
from asr.support.text import parsed

Array = npt.NDArray[Any]

# The types of safetensors that we read, as the checksum names them, and as NumPy does. It has no bfloat16.
_TYPES = {
    "F64": ("torch.float64", np.float64),
    "F32": ("torch.float32", np.float32),
    "F16": ("torch.float16", np.float16),
    "BF16": ("torch.bfloat16", np.uint16),
    "I64": ("torch.int64", np.int64),
    "I32": ("torch.int32", np.int32),
    "U8": ("torch.uint8", np.uint8),
    "BOOL": ("torch.bool", np.bool_),
}
_NAMES = {np.dtype(kind): name for key, (name, kind) in _TYPES.items() if key != "BF16"}


def write(path: Path, format: str, header: Mapping[str, Any], tensors: Mapping[str, Array]) -> None:
    """Write tensors with a header, atomically.

    Args:
        path: The file.
        format: The file's kind and version.
        header: Anything that JSON can represent.
        tensors: By name.

    Raises:
        AsrError: It cannot be written, or a tensor contains NaN or Inf.
    """
    if broken := [name for name, tensor in tensors.items() if not np.isfinite(tensor).all()]:
        raise AsrError(f"{path}: {broken[0]} contains NaN or Inf; not saved, the previous file is unchanged")
    plain = {name: np.ascontiguousarray(tensor).reshape(tensor.shape) for name, tensor in tensors.items()}
    text = json.dumps(header, ensure_ascii=False)
    digest = _digest({name: (_NAMES[one.dtype], one.shape, one.tobytes()) for name, one in plain.items()}, text)
    with files.replacing(path) as temporary:
        temporary.write_bytes(safetensors.numpy.save(plain, {"format": format, "header": text, "sha256": digest}))


def read(path: Path, format: str, writer: str = "asr train") -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the header and the tensors of a file, verified; those of bfloat16 as float32.

    Args:
        path: The file.
        format: The expected kind and version.
        writer: The command that writes such files, for messages.

    Raises:
        BundleError: It is missing, damaged or of another format.
    """
    metadata, found = _read(path)
    if metadata.get("format") != format:
        actual = metadata.get("format")
        raise BundleError(f"{path}: is not an '{format}' file ({actual!r}); pass a file written by `{writer}`")
    named = {name: (_TYPES[one["dtype"]][0], tuple(one["shape"]), one["data"]) for name, one in found.items()}
    if metadata.get("sha256") != _digest(named, metadata.get("header", "")):
        raise BundleError(f"{path}: its contents do not match their checksum; copy it again or train again")
    try:
        header: dict[str, Any] = dict(parsed(metadata["header"]))
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{path}: its header is damaged ({error}); copy it again or train again") from error
    return header, {name: _array(**one) for name, one in found.items()}


def _read(path: Path) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Return a file's metadata, and each tensor's type, shape and bytes."""
    try:
        raw = path.read_bytes()
        found = dict(safetensors.deserialize(raw))  # type: ignore[no-untyped-call]
        if unknown := [one["dtype"] for one in found.values() if one["dtype"] not in _TYPES]:
            raise ValueError(f"unknown type {unknown[0]}")
        size = int.from_bytes(raw[:8], "little")
        return dict(parsed(raw[8 : 8 + size]).get("__metadata__") or {}), found
    except FileNotFoundError:
        raise BundleError(f"{path}: no such bundle; train first, or pass the path of a .safetensors file") from None
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise BundleError(f"{path}: not a bundle, or damaged ({error}); copy it again or train again") from error


def _array(dtype: str, shape: list[int], data: bytes) -> Array:
    array: Array = np.frombuffer(bytearray(data), _TYPES[dtype][1]).reshape(shape)
    return (array.astype(np.uint32) << 16).view(np.float32) if dtype == "BF16" else array


def _digest(tensors: Mapping[str, tuple[str, tuple[int, ...], bytes]], header: str) -> str:
    """Return the checksum of tensors, each a type, a shape and bytes, and of a header."""
    digest = hashlib.sha256(header.encode())
    for name in sorted(tensors):
        dtype, shape, data = tensors[name]
        digest.update(f"{name} {dtype} {shape}".encode())
        digest.update(data)
    return digest.hexdigest()
