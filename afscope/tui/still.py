"""Text whose box is laid out anew only when it has to be: a layout of the whole screen costs more than painting it."""

from textual.css.scalar import Scalar, Unit
from textual.visual import VisualType
from textual.widgets import Static


class Still(Static):
    """A Static in a box of fixed size, or in one as high as its text: then a new layout follows a new height alone."""

    def update(self, content: VisualType = "", *, layout: bool = True) -> None:
        """Shows something else."""
        width, before = self.size.width, self.size.height
        super().update(content, layout=False)
        if not layout or not self.is_attached:
            return
        if not width:  # it was not laid out yet
            self.refresh(layout=True)
        elif self.styles.height is not None and self.styles.height.is_auto:
            self._content_height_cache = (None, 0)
            wanted = self.get_content_height(self.app.size, self.app.size, width)
            if min(max(wanted, _cells(self.styles.min_height, 0)), _cells(self.styles.max_height, wanted)) != before:
                self.refresh(layout=True)


def _cells(limit: Scalar | None, otherwise: int) -> int:
    return int(limit.value) if limit is not None and limit.unit is Unit.CELLS else otherwise
