"""Goals as functions of modeled and known scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from molvae.optimization.problem import Composition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from molvae.campaign.known import KnownScores
    from molvae.optimization.multiobjective import Utility


def composition_of(known: KnownScores, functions: Sequence[Utility]) -> Composition:
    """Functions of all goals (`... x g` to `...`, each goal to be maximized) as functions of outputs.

    Outputs are those of the surrogates, in the order of `known.modeled`, with the sign of minimized
    goals flipped, then known scores, in the order of `known.columns`. A composite goal is a function of its
    parts.
    """
    objectives = known.objectives
    output = {j: place for place, j in enumerate((*known.modeled, *known.columns))}
    own = [j for j, objective in enumerate(objectives) if objective.is_goal]
    parts = [known.place(name) for j in own if j in known.wholes for name in known.wholes[j].parts]
    needed = list(dict.fromkeys([*(j for j in own if j not in known.wholes), *parts]))
    signs = {j: objectives[j].sign if j in known.modeled else 1.0 for j in needed}

    def goals(outputs: Tensor) -> Tensor:
        raw = {j: signs[j] * outputs[..., i] for i, j in enumerate(needed)}
        columns = []
        for j in own:
            if j in known.wholes:
                whole = known.wholes[j]
                value = whole.values({name: raw[known.place(name)].numpy() for name in whole.parts})
                goal = torch.from_numpy(value)
            else:
                goal = raw[j]
            columns.append(objectives[j].sign * goal)
        return torch.stack(columns, dim=-1)

    def composed(function: Utility) -> Utility:
        return lambda outputs: function(goals(outputs))

    return Composition(tuple(output[j] for j in needed), tuple(composed(f) for f in functions))
