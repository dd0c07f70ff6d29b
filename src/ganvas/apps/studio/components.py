"""Fields of a form as components of the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from .forms import Field

FIRST = 4  # questions that are asked at once; the others wait behind "More options"


def component(field: Field) -> gr.components.Component:
    """The component that asks for a field, with its label and its help."""
    named: dict[str, Any] = {"label": field.label, "info": field.help or None, "min_width": 220}
    named |= {"elem_id": f"ask-{field.name}", "elem_classes": ["g-ask"]}
    match field.kind:
        case "switch":
            return gr.Checkbox(bool(field.value), **named)
        case "choice":
            value = "" if field.value is None else field.value
            return gr.Dropdown(
                [*field.choices], value=value, filterable=len(field.choices) > 8, **named
            )
        case "whole" | "number" if not field.empty:
            return gr.Number(field.value, precision=0 if field.kind == "whole" else None, **named)
        case "lines":
            return gr.Textbox("", lines=2, placeholder="one a line", **named)
        case "file":
            return gr.File(
                label=f"{field.label}: {field.help}" if field.help else field.label, height=110
            )
    value = "" if field.value is None else str(field.value)
    return gr.Textbox(value, placeholder="default" if field.empty else None, **named)


def form(fields: Sequence[Field], first: int = FIRST) -> list[gr.components.Component]:
    """Components of all fields; those beyond the first few lie in an accordion."""
    with gr.Row(equal_height=False):
        components = [component(field) for field in fields[:first]]
    if len(fields) > first:
        with gr.Accordion("More options", open=False), gr.Row():
            components += [component(field) for field in fields[first:]]
    return components
