"""What a drawing says, and whether one can read it."""

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure as Canvas
from matplotlib.text import Text


def texts(canvas: Canvas) -> list[Text]:
    """Every text that is drawn: not the labels of hidden axes, nor of ticks beyond the limits."""
    canvas.draw_without_rendering()
    hidden = set()
    for axes in canvas.findobj(mpl.axes.Axes):
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks() + axis.get_minor_ticks():
                if not axes.axison or not low <= tick.get_loc() <= high:
                    hidden |= {tick.label1, tick.label2}
    every = canvas.findobj(Text)
    return [text for text in every if text.get_visible() and text.get_text() and text not in hidden]


def words_of(canvas: Canvas) -> list[str]:
    """The same as strings."""
    return [text.get_text() for text in texts(canvas)]


def assert_legible(canvas: Canvas) -> None:
    """Every text is large enough and inside the figure."""
    assert canvas.get_size_inches()[0] * 25.4 == pytest.approx(180)
    whole = canvas.bbox.padded(0.5)
    for text in texts(canvas):
        assert text.get_fontsize() >= 6, text
        box = text.get_window_extent()
        assert whole.x0 <= box.x0 <= box.x1 <= whole.x1, text
        assert whole.y0 <= box.y0 <= box.y1 <= whole.y1, text
