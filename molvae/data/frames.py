"""Tables in memory as Arrow, exchanged with pandas, polars, DuckDB and others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from molvae.errors import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def arrow_stream(columns: Mapping[str, Sequence[Any]], requested_schema: object = None) -> object:
    """Columns of one length as a stream of the Arrow PyCapsule protocol, for `__arrow_c_stream__`.

    (arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html)

    Args:
        columns: Values by name; `None` is an absent value.
        requested_schema: What the consumer would rather have, a capsule.
    """
    import pyarrow as pa

    return pa.table({name: pa.array(values) for name, values in columns.items()}).__arrow_c_stream__(
        requested_schema
    )


def to_pandas(columns: Mapping[str, Sequence[Any]]) -> Any:
    """Columns of one length as a `pandas.DataFrame`.

    Raises:
        MissingDependencyError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise MissingDependencyError(
            "pandas is not installed", hint="pip install pandas, or take the result as an Arrow table."
        ) from None
    return pd.DataFrame(dict(columns))


def is_frame(thing: object) -> bool:
    """Whether it is a table of a library that speaks the protocol: pandas, polars, pyarrow, DuckDB, ..."""
    return hasattr(thing, "__arrow_c_stream__") and not hasattr(thing, "dtype")  # a series has one type


def columns_of(frame: Any) -> dict[str, list[Any]]:
    """The columns of such a table as Python values; not-a-number and null are `None`.

    >>> import pyarrow as pa
    >>> columns_of(pa.table({"smiles": ["C", None], "x": [1.0, float("nan")]}))
    {'smiles': ['C', None], 'x': [1.0, None]}
    """
    import pyarrow as pa

    table = pa.table(frame)
    return {
        name: [None if value != value else value for value in table.column(name).to_pylist()]  # noqa: PLR0124
        for name in table.column_names
    }
