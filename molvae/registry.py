"""Registries of implementations by name, open to third parties through entry points."""

from __future__ import annotations

import logging
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Generic, TypeVar

from molvae.errors import UnknownNameError, UsageError, suggest
from molvae.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

_LOG = logging.getLogger("molvae")


class Registry(Generic[T]):
    """Maps a name to a class or function of one kind.

    Args:
        kind: What is registered, for error messages ("tokenizer").
        group: Entry-point group third parties register under ("molvae.tokenizers").
        modules: Modules that register the built-in ones; imported on first use.

    >>> colors: Registry[int] = Registry("color", "molvae.colors")
    >>> colors.add("red", 1)
    >>> colors.get("red"), colors.names()
    (1, ['red'])
    """

    def __init__(self, kind: str, group: str, modules: Sequence[str] = ()) -> None:
        self.kind = kind
        self.group = group
        self._modules = modules
        self._entries: dict[str, T] = {}
        self._broken: dict[str, str] = {}
        self._plugins_loaded = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that registers what it decorates under `name`."""

        def add(value: T) -> T:
            self.add(name, value)
            return value

        return add

    def add(self, name: str, value: T) -> None:
        """Register `value`; a name taken by something else is a `UsageError`."""
        if name in self._entries and self._entries[name] is not value:
            raise UsageError(f"the {self.kind} '{name}' is already registered")
        self._entries[name] = value

    def get(self, name: str) -> T:
        """What is registered under `name`; `UnknownNameError` names the nearest match otherwise."""
        self._load_built_in()
        if name not in self._entries:
            self._load_plugins()
        if name in self._broken:
            raise UsageError(self._broken[name], hint="Fix or uninstall the package.")
        if name not in self._entries:
            known = self.names()
            raise UnknownNameError(
                f"unknown {self.kind} '{name}'{suggest(name, known)}",
                hint=f"Known: {', '.join(known)}.",
            )
        return self._entries[name]

    def names(self) -> list[str]:
        """All names, built-in and plug-ins, sorted; without plug-ins that cannot be loaded."""
        self._load_built_in()
        self._load_plugins()
        return sorted(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def _load_built_in(self) -> None:
        modules, self._modules = self._modules, ()
        for module in modules:
            import_module(module)

    def _load_plugins(self) -> None:
        if self._plugins_loaded:
            return
        self._plugins_loaded = True
        for point in entry_points(group=self.group):
            if point.name in self._entries:
                continue
            try:
                self._entries[point.name] = point.load()
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's package may raise anything
                package = point.dist.name if point.dist is not None else point.value
                self._broken[point.name] = one_line(
                    f"the {self.kind} '{point.name}' of the package {package} cannot be loaded: "
                    f"{type(error).__name__}: {error}"
                )
                _LOG.warning("%s; it is left out", self._broken[point.name])
