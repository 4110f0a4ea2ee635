"""What a suite says of where images come from."""

from __future__ import annotations

from pydantic import ConfigDict, model_validator

from benchbench.core.model import Frozen, JsonValue


class DataSpec(Frozen):
    """Where images come from: a registered source with its options beside it."""

    model_config = ConfigDict(frozen=True, extra="allow")
    source: str

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: object) -> object:
        return {"source": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, JsonValue]:
        """The keys beside the source."""
        return dict(self.__pydantic_extra__ or {})
