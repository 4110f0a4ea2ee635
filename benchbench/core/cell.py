"""One thing to measure: a variant with its seed and settings, and an id made from its content."""

from __future__ import annotations

import hashlib
import re
from fnmatch import fnmatchcase

from benchbench.core.data_spec import DataSpec
from benchbench.core.deployment import Deployment, deployment_label
from benchbench.core.model import Frozen, JsonValue, canonical_json, dump_declared
from benchbench.core.suite import ArchitectureSpec, ReplaceSpec, TrainSpec

_CONTENT = ("architecture", "discriminator", "replace", "data", "train", "deploy")


class Setting(Frozen):
    """One swept field and the value it has in a cell."""

    key: str
    value: JsonValue

    def __str__(self) -> str:
        return f"{self.key}={self.value if isinstance(self.value, str) else canonical_json(self.value)}"

    def __hash__(self) -> int:
        # A value may be a list, which has none.
        return hash(self.key)


class Cell(Frozen):
    """One resolved variant x seed x setting x deployment.

    Two cells are the same when they declare the same thing to build, train, load and run; the variant's
    name and the suite's name do not count, nor do titles and notes.

    What a declaration leaves to a default is not part of the id: an option that is added later, with a
    default that changes nothing, leaves every id as it was. So `width: 32` written out and the same
    32 left to the default are two ids.
    """

    variant: str
    variant_group: str | None = None
    seed: int = 0
    settings: tuple[Setting, ...] = ()
    architecture: ArchitectureSpec
    discriminator: ArchitectureSpec | None = None
    replace: tuple[ReplaceSpec, ...] = ()
    data: DataSpec | None = None
    train: TrainSpec | None = None
    deploy: Deployment = Deployment()

    @property
    def swept(self) -> tuple[Setting, ...]:
        """What was swept of the network, its data and its training; not how it is run."""
        own = deployed_settings(self.deploy)
        return tuple(setting for setting in self.settings if setting not in own)

    @property
    def network(self) -> Cell:
        """The cell of the same network in eager float32, which is trained, and which this one is held to."""
        return self.model_copy(update={"deploy": Deployment(), "settings": self.swept})

    @property
    def content_hash(self) -> str:
        """Ten hexadecimal digits of the SHA-256 of what the cell is made of."""
        said = dump_declared(self)
        content: JsonValue = {
            "seed": self.seed,
            **{key: said[key] for key in _CONTENT if key in said},
        }
        return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:10]

    @property
    def id(self) -> str:
        """Stable, and a file name: `v1-3f2a9c1b7d`."""
        return f"{re.sub(r'[^A-Za-z0-9_.+-]', '_', self.variant)}-{self.content_hash}"

    @property
    def label(self) -> str:
        """For people: the variant, what was swept, and how it is run."""
        said = [self.variant, *map(str, self.swept), deployment_label(self.deploy.named)]
        return " ".join(filter(None, said))

    @property
    def group(self) -> str:
        """What must be equal for two cells to be compared: everything swept, and the variants' group."""
        shared = (str(setting) for setting in self.swept if not setting.key.startswith("variant."))
        return ", ".join([*([self.variant_group] if self.variant_group else []), *shared])

    @property
    def names(self) -> tuple[str, ...]:
        """What a glob of `--only` may match: variant, label, group and id."""
        group = (self.variant_group,) if self.variant_group else ()
        return (self.variant, self.label, *group, self.id)

    def is_chosen(self, only: str | None) -> bool:
        """Whether the glob of `--only` matches one of its names; no glob chooses all."""
        return only is None or any(fnmatchcase(name, only) for name in self.names)

    def __hash__(self) -> int:
        return hash(self.id)


def deployed_settings(deployment: Deployment) -> tuple[Setting, ...]:
    """What tells a deployment from eager float32, as settings of its cells."""
    return tuple(Setting(key=key, value=value) for key, value in deployment.named.items())
