"""From a suite to its cells: variants times everything that its matrix sweeps."""

from __future__ import annotations

from collections.abc import Iterable

from benchbench.core.cell import Cell, Setting, deployed_settings
from benchbench.core.deployment import Deployment
from benchbench.core.errors import (
    Location,
    OptionError,
    SuiteError,
    UnknownNameError,
    nearest,
)
from benchbench.core.model import JsonValue, canonical_json, dump_declared
from benchbench.core.overrides import set_value
from benchbench.core.plan_names import has_swept_part, network_names, of_variant
from benchbench.core.resolve import check_architecture, check_data, check_replace, check_train
from benchbench.core.source_map import Place, SourceMap
from benchbench.core.suite import ArchitectureSpec, Suite, Variant
from benchbench.core.validation import check_known, told_at, validated
from benchbench.core.variant_changes import data_of, networks_of, train_of

_SWEPT_PARTS = ("architecture", "discriminator", "variant", "data", "train")
_VARIANT_PARTS = ("architecture", "discriminator", "replace", "data", "train")


def expand(suite: Suite, *, only: str | None = None, sources: SourceMap | None = None) -> tuple[Cell, ...]:
    """The cells of a suite: settings outermost, in the order of its matrix, then variants, then deployments.

    A matrix key is `seed`, `variant`, or a dotted path below `architecture`, `discriminator`,
    `variant`, `data` or `train`. A variant that lacks the field of a `variant.*` sweep (a baseline
    replaces nothing) is there once.

    Args:
        suite: what was declared.
        only: a glob over a cell's id, label, variant or group; keeps the cells that match.
        sources: where each part was said; without it an error names the key alone.

    Raises:
        SuiteError: a sweep of nothing, a swept value of the wrong kind, or two cells that are the same.
        UnknownNameError: a matrix key or a swept name that does not exist, or an `only` without a match.
        OptionError: a swept value that the option does not take.
    """
    where = sources or SourceMap(f"suite '{suite.name}'")
    _check_sweeps(suite, where)
    networks = [_cell(suite, name, settings, where) for name, settings in network_names(suite)]
    for cell in networks:
        if len(cell.settings) > 1:
            # Each value is right alone; together they may not be.
            _check_cell(cell, _Fixed(where, ("matrix",)))
    cells = [_deployed(cell, way) for cell in networks for way in suite.deployments]
    _check_distinct(suite, cells, where)
    return _select(cells, only)


def expand_networks(suite: Suite, *, only: str | None = None) -> tuple[Cell, ...]:
    """As `expand`, of eager float32 alone: for what looks at the networks, and not at ways to run them.

    Raises:
        SuiteError: `only` chooses nothing but deployments; and as `expand`.
    """
    cells = expand(suite, only=only)
    networks = tuple(cell for cell in cells if cell.deploy.is_reference)
    if not networks:
        raise SuiteError(
            f"'{only}' matches deployments alone ({cells[0].label}); this is of networks in eager float32",
            expected=f"a network, such as '{cells[0].network.label}'",
            where=Location(f"--only {only}"),
        )
    return networks


def _cell(suite: Suite, name: str, settings: tuple[Setting, ...], sources: SourceMap) -> Cell:
    place: Place = ("matrix", settings[-1].key) if settings else ("variants", name)
    raw: dict[str, JsonValue] = {
        "architecture": dump_declared(suite.architecture),
        "variant": dump_declared(suite.variants[name]),
        **{
            part: dump_declared(declared)
            for part in ("discriminator", "data", "train")
            if (declared := getattr(suite, part)) is not None
        },
    }
    seed = 0
    for setting in settings:
        if setting.key == "seed":
            assert isinstance(setting.value, int)
            seed = setting.value
        else:
            with told_at(sources, ("matrix", setting.key)):
                set_value(raw, setting.key, setting.value)
    parts = {key: value for key, value in raw.items() if isinstance(value, dict)}
    variant = validated(Variant, parts["variant"], sources, place)
    architecture = validated(ArchitectureSpec, parts["architecture"], sources, place)
    against = (
        validated(ArchitectureSpec, parts["discriminator"], sources, place)
        if "discriminator" in parts
        else None
    )
    networks = networks_of(architecture, against, variant, sources, place)
    return Cell(
        variant=name,
        variant_group=variant.group,
        seed=seed,
        settings=settings,
        architecture=networks["generator"],
        discriminator=networks.get("discriminator"),
        replace=variant.replace,
        data=data_of(parts.get("data"), variant, sources, place),
        train=train_of(parts.get("train"), variant, sources, place),
    )


def _deployed(network: Cell, way: Deployment) -> Cell:
    if way.is_reference:
        return network
    settings = (*network.settings, *deployed_settings(way))
    return network.model_copy(update={"deploy": way, "settings": settings})


def _check_sweeps(suite: Suite, sources: SourceMap) -> None:
    for key, values in suite.matrix.items():
        place: Place = ("matrix", key)
        _check_key(suite, key, sources)
        if not values:
            raise SuiteError(
                f"'{key}' is swept over no value, so the suite has no cell",
                expected="one or more values",
                fix=f"give it values, or remove matrix.{key}",
                where=sources.at(place),
            )
        written: dict[str, int] = {}
        for index, value in enumerate(values):
            first = written.setdefault(canonical_json(value), index)
            if first != index:
                setting = Setting(key=key, value=value)
                raise SuiteError(
                    f"two cells are the same: '{setting}' is swept twice",
                    fix=f"remove one; the first is matrix.{key}[{first}]",
                    where=sources.at((*place, index)),
                )
            _check_value(suite, Setting(key=key, value=value), sources, (*place, index))


def _check_key(suite: Suite, key: str, sources: SourceMap) -> None:
    place: Place = ("matrix", key)
    head, _, rest = key.partition(".")
    if key in ("seed", "variant"):
        return
    if head not in _SWEPT_PARTS or not rest:
        match = nearest(head, ("seed", *_SWEPT_PARTS))
        meant = match if match in (None, "seed") or not rest else f"{match}.{rest}"
        raise UnknownNameError(
            f"unknown matrix key '{key}'",
            expected="seed, variant, or a field below architecture, discriminator, variant, data or train "
            "(train.steps)",
            fix=f"did you mean '{meant}'?" if meant and meant != key else None,
            where=sources.at(place),
        )
    if head in ("discriminator", "data", "train") and getattr(suite, head) is None:
        raise SuiteError(
            f"'{key}' is swept, but the suite has no '{head}'",
            fix=f"declare `{head}:`, or remove matrix.{key}",
            where=sources.at(place),
        )
    if head == "variant":
        part = rest.split(".")[0].split("[")[0]
        check_known("field of a variant", part, _VARIANT_PARTS, sources, place)
        if not any(getattr(variant, part) for variant in suite.variants.values()):
            raise SuiteError(
                f"'{key}' is swept, but no variant has '{part}'",
                fix=f"give a variant `{part}:`, or remove matrix.{key}",
                where=sources.at(place),
            )


def _check_value(suite: Suite, setting: Setting, sources: SourceMap, place: Place) -> None:
    """Check one swept value alone, so that an error about it names it."""
    value = setting.value
    if setting.key == "seed":
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise OptionError(
                f"seed: got {canonical_json(value)}",
                expected="a whole number, 0 or more",
                where=sources.at(place),
            )
        return
    if setting.key == "variant":
        name = value if isinstance(value, str) else canonical_json(value)
        check_known("variant", name, suite.variants, sources, place)
        return
    at = _Fixed(sources, place)
    for name, variant in suite.variants.items():
        own = (setting.key,) if of_variant(setting.key) else ()
        if not has_swept_part(variant, own):
            continue
        _check_cell(_cell(suite, name, (setting,), at), at)


def _check_cell(cell: Cell, at: SourceMap) -> None:
    networks = {"generator": cell.architecture}
    if cell.discriminator is not None:
        networks["discriminator"] = cell.discriminator
    for network in networks.values():
        check_architecture(network, at, ())
    for spec in cell.replace:
        check_replace(spec, networks, at, ())
    if cell.data is not None:
        check_data(cell.data, at, ())
    if cell.train is not None:
        check_train(cell.train, at, (), data=cell.data)


class _Fixed(SourceMap):
    """Tells one place whatever it is asked: that of the swept value."""

    def __init__(self, sources: SourceMap, place: Place) -> None:
        super().__init__(sources.path)
        self._fixed = sources.at(place)

    def at(self, place: Place) -> Location:
        return self._fixed


def _check_distinct(suite: Suite, cells: Iterable[Cell], sources: SourceMap) -> None:
    first: dict[str, Cell] = {}
    for cell in cells:
        other = first.setdefault(cell.content_hash, cell)
        if other is cell:
            continue
        place: Place = ("variants", cell.variant) if cell.variant != other.variant else ("matrix",)
        if cell.variant == other.variant and cell.swept == other.swept:
            place = ("deploy",)
        raise SuiteError(
            f"two cells are the same: '{other.label}' ({other.id}) and '{cell.label}' ({cell.id})",
            expected="cells that differ in what they build, train or load",
            fix="remove one of them, or change what it declares",
            where=sources.at(place),
        )


def _select(cells: list[Cell], only: str | None) -> tuple[Cell, ...]:
    chosen = tuple(cell for cell in cells if cell.is_chosen(only))
    if only is not None and not chosen:
        names = [name for cell in cells for name in cell.names]
        match = nearest(only, names)
        raise UnknownNameError(
            f"no cell matches '{only}'",
            expected="a glob over variant, label, group or id of: "
            + ", ".join(f"{cell.label} ({cell.id})" for cell in cells),
            fix=f"did you mean '{match}'?" if match else None,
            where=Location(f"--only {only}"),
        )
    return chosen
