"""Settings, registries and their error messages."""

from __future__ import annotations

from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from molvae import errors
from molvae.config import (
    Settings,
    field_help,
    load_settings,
    retired_changes,
    save_settings,
    to_toml,
    without_retired,
)
from molvae.data.config import PrepareSettings
from molvae.errors import ConfigError, MolvaeError, UnknownNameError, UsageError
from molvae.optimization.config import SearchSettings
from molvae.registry import Registry


class Inner(Settings):
    """Inner settings."""

    retired: ClassVar = {"depth": 2}
    size: int = 4
    """How large."""


class Outer(Settings):
    """Outer settings."""

    inner: Inner = Inner()
    rate: float = 0.1
    """How
    fast."""
    name: str | None = None
    """What it is called."""
    many: tuple[int, ...] = ()
    """Numbers."""


class Tables(Settings):
    """Settings that were tables in earlier versions."""

    retired: ClassVar = {"shares": {"floor": 0.2, "adapt": True}}
    rows: tuple[Inner, ...] = ()
    """Rows."""


def test_part_of_a_retired_table_is_accepted_if_it_is_as_it_always_is(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text("[shares]\nfloor = 0.2\n[[rows]]\nsize = 7\ndepth = 2\n")
    assert load_settings(Tables, file) == Tables(rows=(Inner(size=7),))
    file.write_text("[shares]\nfloor = 0.3\n")
    with pytest.raises(ConfigError, match=r"'shares' in .* is no longer a setting; it is always \{floor"):
        load_settings(Tables, file)
    file.write_text("[[rows]]\ndepth = 3\n")
    with pytest.raises(ConfigError, match=r"'rows.0.depth' in .* is no longer a setting; it is always 2"):
        load_settings(Tables, file)


def test_a_search_file_of_an_earlier_version_at_its_defaults_is_read(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text("[trust_region]\nlength = 0.8\n")
    assert load_settings(SearchSettings, file) == SearchSettings()
    file.write_text("[trust_region]\nlength = 0.5\n")
    with pytest.raises(ConfigError, match=r"'trust_region' in .* is no longer a setting"):
        load_settings(SearchSettings, file)


@given(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.none() | st.text())
def test_settings_survive_the_disk(tmp_path_factory, size, rate, name):
    settings = Outer(inner=Inner(size=size % 2**60), rate=rate, name=name, many=(1, 2))
    path = tmp_path_factory.mktemp("toml") / "settings.toml"
    save_settings(settings, path)
    assert load_settings(Outer, path) == settings


def test_overrides_win_in_order_and_reach_inside(tmp_path):
    (tmp_path / "s.toml").write_text("rate = 0.5\n[inner]\nsize = 7\n")
    settings = load_settings(
        Outer, tmp_path / "s.toml", ["inner.size=8", "name=a b", "many=[3, 4]", "rate=0.25"]
    )
    assert settings == Outer(inner=Inner(size=8), rate=0.25, name="a b", many=(3, 4))
    assert "name" not in to_toml(Outer())


def test_settings_that_no_longer_exist_are_ignored_in_stored_files_and_refused_elsewhere(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text("rate = 0.5\n[inner]\nsize = 7\ndepth = 3\n")
    stored = {"rate": 0.5, "inner": {"size": 7, "depth": 3}}
    assert load_settings(Outer, file, stored=True) == Outer(inner=Inner(size=7), rate=0.5)
    assert without_retired(Outer, stored) == {"rate": 0.5, "inner": {"size": 7}}
    assert retired_changes(Outer, stored) == ["inner.depth was 3, now 2"]
    with pytest.raises(ConfigError, match=r"'inner\.depth' in .* is no longer a setting; it is always 2"):
        load_settings(Outer, file)
    with pytest.raises(ConfigError, match="no longer a setting"):
        load_settings(Outer, file, ["inner.depth=3"], stored=True)
    file.write_text("[inner]\nsize = 7\ndepth = 2\n")
    assert load_settings(Outer, file).inner.size == 7


@pytest.mark.parametrize(
    ("line", "said"), [("workers = 4", "use the option --workers"), ('cache = "c"', "computed each time")]
)
def test_a_file_with_a_setting_that_became_something_else_is_told_what(tmp_path, line, said):
    file = tmp_path / "mine.toml"
    file.write_text(f'input = ["mine.csv"]\noutput = "corpus"\n{line}\n')
    with pytest.raises(ConfigError, match=rf"in .*mine\.toml is no longer a setting; .*{said}"):
        load_settings(PrepareSettings, file)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["inner.sise=3"], "did you mean 'inner.size'"),
        (["rate=fast"], "'rate'.*got 'fast'"),
        (["rate"], "expected key=value"),
        (["inner.size.deep=1"], "'inner.size'"),
        (["rate=1", "rate.x=1"], "'rate' is a value"),
        (["rate=inf"], "'rate'"),
        (["inner.size=2.5"], "'inner.size' in the settings: a whole number is expected, got 2.5"),
        (["many=3"], r"a list is expected, as in \[1, 2\], got 3"),
        (["inner=3"], "'inner' in the settings: a table is expected, got 3"),
    ],
)
def test_a_wrong_setting_is_explained(overrides, said):
    with pytest.raises(ConfigError, match=said):
        load_settings(Outer, None, overrides)


@pytest.mark.parametrize("content", [b"rate = ", b"\xff\xfe", None])
def test_an_unreadable_file_is_named(tmp_path, content):
    path = tmp_path / "s.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"s\.toml"):
        load_settings(Outer, path)


def test_the_docstring_of_a_field_is_its_help():
    assert list(field_help(Outer)) == [
        ("inner.size", "4", "How large."),
        ("rate", "0.1", "How fast."),
        ("name", "", "What it is called."),
        ("many", "[]", "Numbers."),
    ]


def test_a_registry_names_the_nearest_and_refuses_to_overwrite():
    registry: Registry[type] = Registry("oracle", "molvae.test_nothing")
    registry.register("qed")(int)
    registry.add("qed", int)
    with pytest.raises(UnknownNameError, match="unknown oracle 'qde'; did you mean 'qed'"):
        registry.get("qde")
    with pytest.raises(UsageError, match="already registered"):
        registry.add("qed", str)
    assert "qed" in registry
    assert "qde" not in registry


def test_every_exception_is_in_the_tree_with_its_exit_code():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert all(issubclass(kind, MolvaeError) for kind in kinds)
    for kind in kinds:
        assert kind.__name__ in errors.__doc__
        assert kind.exit_code in {1, 2, 3, 4, 5, 75}
    assert str(InputWithHint) == "what\nwhat to do"


InputWithHint = errors.InputError("what", hint="what to do")


class Point:
    """An entry point of another package."""

    def __init__(self, name, load):
        self.name, self.load, self.dist, self.value = name, load, None, f"{name}_package:thing"


def test_a_broken_plug_in_is_named_and_left_out(monkeypatch, caplog):
    def broken():
        raise ImportError("no module named \x1b[31mtorchvision")

    def leaves():
        raise SystemExit(3)

    points = [Point("bad", broken), Point("good", lambda: 2), Point("leaves", leaves), Point("red", broken)]
    monkeypatch.setattr("molvae.registry.entry_points", lambda **_: points)
    colors: Registry[int] = Registry("color", "molvae.colors")
    colors.add("red", 1)
    assert colors.names() == ["good", "red"]
    assert (colors.get("good"), colors.get("red"), "bad" in colors) == (2, 1, False)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "'bad' of the package bad_package:thing cannot be loaded: ImportError" in caplog.text
    assert "\x1b" not in caplog.text
    with pytest.raises(UsageError, match="cannot be loaded: SystemExit: 3"):
        colors.get("leaves")
    with pytest.raises(UnknownNameError, match="did you mean 'red'"):
        colors.get("rod")
