"""What settings are made of: groups whose docstrings describe them, bounds, and units.

The text under a setting is its description wherever settings are shown: `run_study.py --settings`, the page
docs/configuration.md and the JSON Schemas that editors read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from trainables import files

WIDEST, MOST = 2**16, 10**6
"""Bounds of what nobody means: features of a layer; epochs, batches, neighbours, trials."""


class Section(BaseModel):
    """A frozen group of settings; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True)


@dataclass(frozen=True)
class Unit:
    """The unit of a number, as metadata of its type; shown beside it and kept in the JSON Schema as `unit`."""

    name: str

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(core) | {"unit": self.name}


def _possible_path(text: str) -> str:
    files.user_path(text)
    return text


Folder = Annotated[str, AfterValidator(_possible_path)]
"""A path, kept as it was written: `~` means the home of who uses it, on the machine where it is used."""
Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""Generators seed themselves with 32 bits, so a seed beyond would repeat another's run."""
Epochs = Annotated[int, Unit("epochs")]
Images = Annotated[int, Unit("images")]
Features = Annotated[int, Field(ge=2, le=WIDEST), Unit("features")]
Trials = Annotated[int, Unit("trials")]
Probability = Annotated[float, Field(ge=0, le=1), Unit("probability")]
Share = Annotated[float, Field(ge=0, le=1), Unit("share")]
Ratio = Annotated[float, Unit("ratio")]
"""A number without a unit."""
