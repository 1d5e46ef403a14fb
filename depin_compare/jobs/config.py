"""The job file: TOML, checked key by key, every key with a default that is worth having."""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from depin_compare.analysis import DEFAULT_HORIZON, DEFAULT_LLMS, DEFAULT_SCENARIOS, DEFAULT_WORKLOADS
from depin_compare.errors import ConfigError

__all__ = ["JobConfig", "SourceConfig", "load_config"]

DEFAULT_NETWORKS = ("akash", "ionet", "render")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceConfig(_Strict):
    """``[sources.NAME]``"""

    enabled: bool = True
    time_budget_seconds: float | None = Field(default=None, gt=0, le=3600)
    key_variable: str | None = None


class HttpConfig(_Strict):
    """``[http]``"""

    mirrors: dict[str, str] = Field(default_factory=dict)


class AnalysisConfig(_Strict):
    """``[analysis]``"""

    networks: tuple[str, ...] = DEFAULT_NETWORKS
    llms: tuple[str, ...] = Field(default=DEFAULT_LLMS, min_length=1)
    workloads: tuple[str, ...] = Field(default=DEFAULT_WORKLOADS, min_length=1)
    scenarios: tuple[str, ...] = Field(default=DEFAULT_SCENARIOS, min_length=1)
    horizon: date = DEFAULT_HORIZON
    minimum_reliability: float | None = Field(default=None, ge=0, le=1)
    seed: int = Field(default=20261122, ge=0)


class AssumptionOverride(_Strict):
    """One assumption of ``[assumptions]`` given as a band."""

    low: float | None = None
    central: float | None = None
    high: float | None = None


class JobConfig(_Strict):
    """A whole job file; an empty one is the default job."""

    analysis: AnalysisConfig = Field(default_factory=AnalysisConfig)
    sources: dict[str, SourceConfig] = Field(default_factory=dict)
    http: HttpConfig = Field(default_factory=HttpConfig)
    assumptions: dict[str, float | AssumptionOverride] = Field(default_factory=dict)

    def overrides(self) -> dict[str, float | dict[str, float]]:
        """The changed assumptions, as `depin_compare.refdata.assumption_set.assumption_set` takes them."""
        return {
            name: value.model_dump(exclude_none=True) if isinstance(value, AssumptionOverride) else value
            for name, value in self.assumptions.items()
        }

    def digest(self) -> str:
        """sha256 of what the job asks for, independent of how the file is laid out."""
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()


def load_config(path: Path | None) -> JobConfig:
    """Read and check a job file; None is the default job.

    Raises
    ------
    ConfigError
        Naming the file, the key (and line, for a syntax error), and the likely mend.
    """
    if path is None:
        return JobConfig()
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    try:
        return JobConfig.model_validate(document)
    except ValidationError as error:
        raise ConfigError("\n".join(_complaint(path, detail) for detail in error.errors())) from error


# The model whose keys stand in each table of the file.
_TABLES: dict[str, type[BaseModel]] = {
    "analysis": AnalysisConfig,
    "sources": SourceConfig,
    "http": HttpConfig,
    "assumptions": AssumptionOverride,
}


def _complaint(path: Path, detail: Any) -> str:
    where = ".".join(str(part) for part in detail["loc"])
    line = _line_of(path, [str(part) for part in detail["loc"]])
    place = f"{path}:{line}" if line else str(path)
    if detail["type"] == "extra_forbidden":
        known = list(_TABLES.get(str(detail["loc"][0]), JobConfig).model_fields)
        if len(detail["loc"]) == 1:
            known = list(JobConfig.model_fields)
        near = difflib.get_close_matches(str(detail["loc"][-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
        return f"{place}: unknown key {where!r}; {hint}"
    return f"{place}: {where}: {detail['msg']} (saw {detail['input']!r})"


def _line_of(path: Path, location: list[str]) -> int | None:
    """Line of a key: tomllib keeps none, so the last part is looked for below its table's heading."""
    table = ".".join(location[:-1])
    inside = not table
    for number, text in enumerate(path.read_text("utf-8").splitlines(), start=1):
        stripped = text.strip()
        if stripped.startswith("["):
            heading = stripped.strip("[]").replace('"', "")
            if heading == ".".join(location):
                return number
            inside = heading == table
        elif inside and stripped.split("=")[0].strip().strip('"') == location[-1]:
            return number
    return None
