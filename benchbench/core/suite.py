"""What a suite declares: an architecture, its variants, and how each is trained and measured."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    Strict,
    StringConstraints,
    field_validator,
    model_serializer,
    model_validator,
)

from benchbench.core.data_spec import DataSpec
from benchbench.core.deployment import Deployment, DeploySpec
from benchbench.core.expectation import Expectation
from benchbench.core.gate_rules import GateRules
from benchbench.core.input_spec import DeclaredInput, is_shapes
from benchbench.core.model import Frozen, JsonValue, OneOrMore

Profile = Literal["quick", "full", "paper", "static", "latency"]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$", max_length=60)]


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, (str, dict)) else value


class Reference(Frozen):
    """A registered name with its options beside it: `adam` or `{name: adam, lr: 0.001}`.

    The options are checked by the model that the named thing brings (core/resolve.py).
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    name: str

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, JsonValue]:
        """The keys beside the name."""
        return dict(self.__pydantic_extra__ or {})


# `pkg.module:callable`, or a file that ends in .py and a callable in it.
IMPORT_FORM = r"^([\w.]+|[^:]+\.py):[\w.]+$"

# Every stage: what a replacement takes that names none.
EVERYWHERE = ("*",)


class ArchitectureSpec(Frozen):  # type: ignore[no-redef]  # the plugin takes `kwargs` for **kwargs
    """A registered architecture, or any callable that builds an `nn.Module`.

    `transformer_net`, `{name: transformer_net, width: 32}` or
    `{import: "my_pkg.models:build", kwargs: {...}, input: [1, 3, 256, 256], stages: {...}}`.

    Attributes:
        import_path: `pkg.module:callable` or `folder/file.py:callable`.
        kwargs: keyword arguments of the callable.
        attribute: the submodule of what was built that is meant, `decoder` or `net.blocks.0`.
        input: what its forward pass takes, see core/input_spec.py.
        stages: stage name -> module paths or globs; guessed from resolution where none are declared.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    name: str | None = None
    import_path: Annotated[str | None, Field(alias="import")] = None
    kwargs: dict[str, JsonValue] = {}
    attribute: Annotated[str | None, Field(pattern=r"^\w+(\.\w+)*$")] = None
    input: DeclaredInput | None = None
    stages: dict[Name, OneOrMore[str]] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @field_validator("import_path")
    @classmethod
    def _names_a_callable(cls, value: str | None) -> str | None:
        if value is not None and not re.match(IMPORT_FORM, value):
            raise ValueError(
                f"'{value}' names no callable; give 'package.module:callable' or 'folder/file.py:callable'"
            )
        return value

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.name is None) == (self.import_path is None):
            raise ValueError("give either 'name' (a registered architecture) or 'import' (module:callable)")
        if self.import_path is not None and self.options:
            raise ValueError(
                f"unknown key '{next(iter(self.options))}'; arguments of an import go under 'kwargs'"
            )
        if self.import_path is not None and self.input is None:
            raise ValueError("an imported architecture needs 'input', for example [1, 3, 256, 256]")
        if self.name is not None and (self.kwargs or self.stages is not None or self.attribute is not None):
            raise ValueError(
                "'kwargs', 'attribute' and 'stages' belong to an imported architecture; "
                "options go beside 'name'"
            )
        if self.name is not None and self.input is not None and not is_shapes(self.input):
            raise ValueError(
                "the input of a registered architecture is one shape per argument, for example "
                "[1, 3, 256, 256]; what its values are it knows itself"
            )
        return self

    @model_serializer(mode="wrap")
    def _only_what_was_said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        said: dict[str, Any] = handler(self)
        if said.get("import_path") is not None:
            said["import"] = said["import_path"]
        said.pop("import_path", None)
        return {key: value for key, value in said.items() if value is not None and value != {}}

    @property
    def options(self) -> dict[str, JsonValue]:
        """Options of a registered architecture: the keys beside its name."""
        return dict(self.__pydantic_extra__ or {})

    @property
    def label(self) -> str:
        """The name, or the import path, for people."""
        return self.name or self.import_path or "?"


class ReplaceSpec(Frozen):
    """Which layers to exchange, and by what; of the generator unless `network` says otherwise."""

    stages: OneOrMore[str] = EVERYWHERE
    replacement: Annotated[Reference, Field(alias="with")]
    layers: OneOrMore[str] = ("*",)
    network: Literal["generator", "discriminator"] = "generator"


class Variant(Frozen):
    """One form of the architecture; an empty one is the network as published.

    Variants of one `group` are compared with one another, and the first of a group is its baseline,
    unless the suite names another one of it. Those without a group are one group of their own. `data` and
    `train` are changes of the suite's, or others altogether where they name another source or recipe.
    """

    title: str | None = None
    note: str | None = None
    group: Annotated[str | None, StringConstraints(min_length=1, max_length=60)] = None
    architecture: dict[str, JsonValue] = {}
    discriminator: dict[str, JsonValue] | None = None
    replace: Annotated[tuple[ReplaceSpec, ...], BeforeValidator(_as_tuple)] = ()
    data: dict[str, JsonValue] | None = None
    train: dict[str, JsonValue] | None = None


class TrainSpec(Frozen):
    """How weights come to be: a recipe with its options, or a checkpoint to load."""

    model_config = ConfigDict(frozen=True, extra="allow")
    recipe: str | None = None
    load: str | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.recipe is None) == (self.load is None):
            raise ValueError(
                "give either 'recipe' (train) or 'load' (a checkpoint; {cell}, {variant}, {seed} are filled)"
            )
        if self.load is not None and self.options:
            raise ValueError(f"unknown key '{next(iter(self.options))}' beside 'load'")
        return self

    @property
    def options(self) -> dict[str, JsonValue]:
        """The keys beside the recipe."""
        return dict(self.__pydantic_extra__ or {})


class MeasureSpec(Frozen):
    """A measure: its name, or one key that maps to its options."""

    model_config = ConfigDict(frozen=True, extra="allow")
    name: str

    @model_validator(mode="before")
    @classmethod
    def _from_single_key(cls, value: object) -> object:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and len(value) == 1 and "name" not in value:
            name, options = next(iter(value.items()))
            if isinstance(options, dict) and "name" in options:
                raise ValueError("no measure has an option 'name'")
            if options is None or isinstance(options, dict):
                return {**(options or {}), "name": name}
        if isinstance(value, dict) and "name" not in value:
            raise ValueError("a measure is a name, or one name that maps to its options")
        return value

    @property
    def options(self) -> dict[str, JsonValue]:
        """The options of the measure."""
        return dict(self.__pydantic_extra__ or {})


class Paper(Frozen):
    """The publication that a suite reproduces."""

    title: str
    year: Annotated[int, Strict(), Field(ge=1950, le=2100)]
    authors: str | None = None
    url: Annotated[str | None, Field(pattern=r"^https?://")] = None
    note: str | None = None


class Collection(Frozen):
    """Several suites under one name: files, relative to the one that lists them."""

    name: Name
    title: str | None = None
    description: str | None = None
    include: Annotated[tuple[str, ...], Field(min_length=1)]


class Suite(Frozen):
    """A whole suite, as declared. `core/suite_file.py` reads one from YAML."""

    name: Name
    title: str | None = None
    description: str | None = None
    paper: Paper | None = None
    architecture: ArchitectureSpec
    discriminator: ArchitectureSpec | None = None
    variants: Annotated[dict[Name, Variant], Field(min_length=1)] = {"baseline": Variant()}
    baseline: str | None = None
    matrix: dict[str, Annotated[tuple[JsonValue, ...], BeforeValidator(_as_tuple)]] = {}
    data: DataSpec | None = None
    train: TrainSpec | None = None
    deploy: Annotated[tuple[DeploySpec, ...], BeforeValidator(_as_tuple)] = ()
    measure: Annotated[tuple[MeasureSpec, ...], Field(min_length=1)]
    timeout_s: Annotated[float | None, Strict(), Field(gt=0)] = None
    expect: dict[str, dict[str, Expectation]] = {}
    profiles: dict[Profile, dict[str, JsonValue]] = {}
    gate: GateRules | None = None

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        """How each variant is run: eager float32, which the others are held to, then what is declared."""
        return (
            Deployment(),
            *(each for spec in self.deploy for each in spec.each() if not each.is_reference),
        )

    @property
    def baseline_variant(self) -> str:
        """The variant that the suite's others are compared with: named, or the first."""
        return self.baseline or next(iter(self.variants))

    def baseline_of(self, variant: str) -> str:
        """The variant that `variant` is compared with: the suite's, if of its group, or the group's first."""
        group = self.variants[variant].group if variant in self.variants else None
        members = [name for name, each in self.variants.items() if each.group == group]
        return self.baseline if self.baseline is not None and self.baseline in members else members[0]

    @model_validator(mode="before")
    @classmethod
    def _empty_variants(cls, value: object) -> object:
        # `v0:` with nothing behind it is YAML's null, and means the network as it is.
        if isinstance(value, dict) and isinstance(value.get("variants"), dict):
            variants = {name: {} if body is None else body for name, body in value["variants"].items()}
            return {**value, "variants": variants}
        return value
