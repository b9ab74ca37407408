"""Takes typed fields out of the settings file, and names the field in every refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class SettingsError(ValueError):
    """A setting that cannot be used; the message starts with the field's path."""


class Reader:
    """Takes typed fields out of a mapping and knows which it has handed out."""

    def __init__(self, fields: Mapping[str, object], *, path: str) -> None:
        self.path = path
        self._fields = fields
        self._taken: set[str] = set()

    def refuse_unknown(self) -> None:
        """Errors: SettingsError for a field that nobody has asked for."""
        unknown = sorted(str(name) for name in self._fields.keys() - self._taken)
        if unknown:
            known = ", ".join(sorted(self._taken))
            raise SettingsError(f"{self.at(unknown[0])}: unknown field; known are {known}")

    def text(self, name: str, *, default: str | None = None) -> str:
        """A text; without a default it must be given."""
        value = self._take(name, default)
        if not isinstance(value, str) or (default is None and not value):
            raise SettingsError(f"{self.at(name)}: must be a text, got {value!r}")
        return value

    def choice(self, name: str, *, default: str, allowed: Sequence[str]) -> str:
        """One of some texts."""
        value = self.text(name, default=default)
        if value not in allowed:
            raise SettingsError(f"{self.at(name)}: must be one of {', '.join(allowed)}")
        return value

    def flag(self, name: str) -> bool:
        """True or false, which is the default."""
        value = self._take(name, default=False)
        if not isinstance(value, bool):
            raise SettingsError(f"{self.at(name)}: must be true or false, got {value!r}")
        return value

    def number(self, name: str, *, default: float, low: float, high: float) -> float:
        """A number within limits."""
        value = self._take(name, default)
        if (
            not isinstance(value, int | float)
            or isinstance(value, bool)
            or not low <= value <= high
        ):
            raise SettingsError(f"{self.at(name)}: must be a number from {low:g} to {high:g}")
        return float(value)

    def integer(self, name: str, *, default: int, low: int, high: int) -> int:
        """A whole number within limits."""
        value = self.number(name, default=default, low=low, high=high)
        if not value.is_integer():
            raise SettingsError(f"{self.at(name)}: must be a whole number, got {value!r}")
        return int(value)

    def strings(self, name: str) -> list[str]:
        """A list of texts, empty by default."""
        value = self._take(name, default=[])
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise SettingsError(f"{self.at(name)}: must be a list of texts, got {value!r}")
        return list(value)

    def string_map(self, name: str) -> Mapping[str, str]:
        """Texts by name, none by default."""
        value = self._take(name, default={})
        if not isinstance(value, Mapping) or not all(
            isinstance(item, str) for pair in value.items() for item in pair
        ):
            raise SettingsError(f"{self.at(name)}: must map texts to texts")
        return dict(value)

    def section(self, name: str) -> Reader:
        """The fields of an object, none by default."""
        value = self._take(name, default={})
        if not isinstance(value, Mapping):
            raise SettingsError(f"{self.at(name)}: must be a mapping, got {value!r}")
        return Reader(value, path=self.at(name))

    def sections(self, name: str) -> list[Reader]:
        """The fields of each object of a list."""
        value = self._take(name, default=[])
        if not isinstance(value, list | tuple):
            raise SettingsError(f"{self.at(name)}: must be a list, got {value!r}")
        for index, item in enumerate(value):
            if not isinstance(item, Mapping):
                raise SettingsError(f"{self.at(name)}[{index}]: must be a mapping, got {item!r}")
        return [Reader(item, path=f"{self.at(name)}[{i}]") for i, item in enumerate(value)]

    def _take(self, name: str, default: object) -> object:
        self._taken.add(name)
        value = self._fields.get(name)
        return default if value is None else value

    def at(self, name: str) -> str:
        """The path of one of its fields."""
        return f"{self.path}.{name}" if self.path else name
