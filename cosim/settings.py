"""Parameters from text: `c=2e-12`, `opamp.gbw=5e6` or `lines=0,2,5` changes one field of a frozen parameter tree."""

import dataclasses
from collections.abc import Iterable
from typing import Any, TypeVar

P = TypeVar("P")


def with_settings(params: P, settings: Iterable[str]) -> P:
    """`params` with each "name=value" applied; raises ValueError that names the setting and what would be accepted.

    Fields of one object change together, so that their order does not matter to the checks between them.
    """
    tree: dict[str, Any] = {}
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals:
            raise ValueError(f"a setting looks like name=value, got {setting!r}")
        *parents, name = path.strip().split(".")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
            if not isinstance(branch, dict):
                raise ValueError(f"{parent} is set twice, the second time in {setting!r}")
        branch[name] = (text.strip(), setting)
    return _replace(params, tree) if tree else params


def flatten(params: Any, prefix: str = "") -> dict[str, Any]:
    """The tree as {"c": 1e-12, "opamp.gbw": 2e7, ...}."""
    flat: dict[str, Any] = {}
    for field in dataclasses.fields(params):
        value = getattr(params, field.name)
        nested = dataclasses.is_dataclass(value)
        flat |= flatten(value, f"{prefix}{field.name}.") if nested else {prefix + field.name: value}
    return flat


def _replace(params: Any, tree: dict[str, Any]) -> Any:
    names = [field.name for field in dataclasses.fields(params)]
    changes: dict[str, Any] = {}
    for name, new in tree.items():
        setting = _first(new)
        if name not in names:
            known = ", ".join(names)
            raise ValueError(f"{type(params).__name__} has no field {name!r} (in {setting!r}); it has {known}")
        old = getattr(params, name)
        if not isinstance(new, dict):
            changes[name] = _parse(old, new[0], setting)
        elif dataclasses.is_dataclass(old):
            changes[name] = _replace(old, new)
        else:
            raise ValueError(f"{type(params).__name__}.{name} has no fields of its own (in {setting!r})")
    return dataclasses.replace(params, **changes)


def _first(new: Any) -> str:
    """The text of a setting, of the first one below a branch."""
    return _first(next(iter(new.values()))) if isinstance(new, dict) else new[1]


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
