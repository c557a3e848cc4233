"""Templates that a web framework renders, as subsegments, as aws-xray-sdk's middlewares have them."""

from __future__ import annotations

from typing import Any

from obsv.guard import guard
from obsv.hotpath.wrap import wraps

from . import current as here
from . import segments
from .managers import is_already_recording
from .recorder import xray_recorder
from .words import SUBSEGMENT_RECORDING_ATTRIBUTE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


@guard("templates of aws-xray-sdk")
def capture_rendering(owner: Any, name: str, template: Callable[..., Any]) -> None:
    """Make each call of the function that renders templates a subsegment, where it is part of something.

    Args:
        owner: The module or class that has the function.
        name: The function's name there.
        template: Is called with the function's arguments, and returns the template's name.
    """
    render = getattr(owner, name)
    if is_already_recording(render):
        return

    @wraps(render)
    def rendered(*args: Any, **kwargs: Any) -> Any:
        if here.now() is None:
            return render(*args, **kwargs)
        with xray_recorder.in_subsegment("template_render") as made:
            _name(made, template, args)
            return render(*args, **kwargs)

    setattr(rendered, SUBSEGMENT_RECORDING_ATTRIBUTE, True)
    setattr(owner, name, rendered)


@guard("templates of aws-xray-sdk")
def _name(made: segments.Subsegment, template: Callable[..., Any], args: Any) -> None:
    found = template(*args)
    if found:
        made.name = str(found)
