"""Four charts look as they did when somebody last looked at them: small pictures, with room for a renderer's rounding.

After a change that is meant, draw them anew: ``python tests/reports/test_chart_images.py``, look at them, commit them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BASELINE = Path(__file__).parent / "baseline"
CHARTS = ("breakeven_dates", "equal_work", "margin_erosion", "price_ladder")
DPI = 60
# Root mean square of the differences, of 255: letters placed half a pixel apart stay below, a missing bar does not.
TOLERANCE = 4.0


def draw(name: str, path: Path) -> None:
    import report_data

    from reports.charts import CHARTS as DRAWN
    from reports.style import Look, png_bytes

    analysis = report_data.one_network()
    path.write_bytes(png_bytes(DRAWN[name](analysis, Look.of(analysis)), dpi=DPI))


@pytest.mark.parametrize("name", CHARTS)
def test_the_chart_looks_as_it_did(name, tmp_path):
    from matplotlib.testing.compare import compare_images

    draw(name, tmp_path / f"{name}.png")
    expected = tmp_path / f"{name}-expected.png"
    expected.write_bytes((BASELINE / f"{name}.png").read_bytes())
    assert compare_images(str(expected), str(tmp_path / f"{name}.png"), TOLERANCE) is None


if __name__ == "__main__":
    root = Path(__file__).parents[2]
    sys.path[:0] = [str(root), str(root / "tests" / "support")]
    for chart in CHARTS:
        draw(chart, BASELINE / f"{chart}.png")
