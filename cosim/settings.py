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


def field_at(params: Any, path: str) -> tuple[Any, str]:
    """The dataclass that holds the field "opamp.gbw", and the field's own name; ValueError when there is none."""
    *above, name = path.split(".")
    for step in [*above, name]:
        names = [field.name for field in dataclasses.fields(params)] if dataclasses.is_dataclass(params) else []
        if step not in names:
            known = f"it has {', '.join(names)}" if names else "it has no fields"
            raise ValueError(f"{type(params).__name__} has no field {step!r} (in {path!r}); {known}")
        owner, params = params, getattr(params, step)
    return owner, name  # pyright: ignore[reportPossiblyUnboundVariable]


def with_value(params: P, path: str, value: object) -> P:
    """`params` with the field "opamp.gbw" replaced; raises ValueError when there is none or it refuses the value."""
    field_at(params, path)
    first, _, rest = path.partition(".")
    inner = with_value(getattr(params, first), rest, value) if rest else value
    return dataclasses.replace(params, **{first: inner})  # pyright: ignore[reportArgumentType]


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
            changes[name] = parse(old, new[0], setting)
        elif dataclasses.is_dataclass(old):
            changes[name] = _replace(old, new)
        else:
            raise ValueError(f"{type(params).__name__}.{name} has no fields of its own (in {setting!r})")
    return dataclasses.replace(params, **changes)


def _first(new: Any) -> str:
    """The text of a setting, of the first one below a branch."""
    return _first(next(iter(new.values()))) if isinstance(new, dict) else new[1]


def parse(old: Any, text: str, setting: str) -> Any:
    """The text as a value of the kind of `old`; raises ValueError naming the whole `setting`."""
    if isinstance(old, str):
        return text
    if isinstance(old, tuple) and old:
        return tuple(parse(old[0], item.strip(), setting) for item in text.split(","))
    if isinstance(old, bool):
        if text not in ("true", "false"):
            raise ValueError(f"{text!r} is neither true nor false (in {setting!r})")
        return text == "true"
    try:
        return int(text) if isinstance(old, int) else float(text)
    except ValueError:
        hint = "write SI units without prefixes, as in c=2e-12"
        raise ValueError(f"{text!r} is not a number (in {setting!r}); {hint}") from None
