"""Parameters from text: `c=2e-12`, `opamp.gbw=5e6` or `lines=0,2,5` changes one field of a frozen parameter tree."""

import dataclasses
from collections.abc import Iterable
from typing import Any, TypeVar

P = TypeVar("P")


def with_settings(params: P, settings: Iterable[str]) -> P:
    """`params` with each "name=value" applied; raises ValueError that names the setting and what would be accepted."""
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals:
            raise ValueError(f"a setting looks like name=value, got {setting!r}")
        params = _replace(params, path.strip().split("."), text.strip(), setting)
    return params


def flatten(params: Any, prefix: str = "") -> dict[str, Any]:
    """The tree as {"c": 1e-12, "opamp.gbw": 2e7, ...}."""
    flat: dict[str, Any] = {}
    for field in dataclasses.fields(params):
        value = getattr(params, field.name)
        nested = dataclasses.is_dataclass(value)
        flat |= flatten(value, f"{prefix}{field.name}.") if nested else {prefix + field.name: value}
    return flat


def _replace(params: Any, path: list[str], text: str, setting: str) -> Any:
    names = [field.name for field in dataclasses.fields(params)]
    if path[0] not in names:
        known = ", ".join(names)
        raise ValueError(f"{type(params).__name__} has no field {path[0]!r} (in {setting!r}); it has {known}")
    old = getattr(params, path[0])
    if len(path) > 1:
        if not dataclasses.is_dataclass(old):
            raise ValueError(f"{type(params).__name__}.{path[0]} has no fields of its own (in {setting!r})")
        return dataclasses.replace(params, **{path[0]: _replace(old, path[1:], text, setting)})
    return dataclasses.replace(params, **{path[0]: _parse(old, text, setting)})


def _parse(old: Any, text: str, setting: str) -> Any:
    if isinstance(old, str):
        return text
    if isinstance(old, tuple) and old:
        return tuple(_parse(old[0], item.strip(), setting) for item in text.split(","))
    if isinstance(old, bool):
        if text not in ("true", "false"):
            raise ValueError(f"{text!r} is neither true nor false (in {setting!r})")
        return text == "true"
    try:
        return int(text) if isinstance(old, int) else float(text)
    except ValueError:
        hint = "write SI units without prefixes, as in c=2e-12"
        raise ValueError(f"{text!r} is not a number (in {setting!r}); {hint}") from None
