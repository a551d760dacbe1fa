"""Reports of a study: one HTML file that holds everything and asks for nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dse.errors import StudyError

if TYPE_CHECKING:
    from dse.compare import Comparison
    from dse.plots.points import StudyLike

__all__ = ["write_comparison", "write_figures", "write_report"]


def write_report(study: StudyLike, path: str | Path) -> Path:
    """Write a study's report: figures, the table of the front, failures, provenance.

    One self-contained HTML file: it makes no request, and runs no script but its own whatever the names and
    texts in the store. The same study gives the same file, byte for byte.

    Parameters
    ----------
    study
        A `dse.Study` or `dse.StudyView`; one that is running is taken as it is now.
    path
        The file, replaced whole if it exists. Its folder must exist.

    Returns
    -------
    The path.

    Raises
    ------
    StudyError
        If the file cannot be written.
    """
    target = _target(path)
    from dse.report.page import page

    return _replace(target, page(study))


def write_comparison(comparison: Comparison, path: str | Path) -> Path:
    """Write a comparison of searchers: one self-contained HTML file.

    Parameters
    ----------
    comparison
        From `dse.compare.compare`.
    path
        The file, replaced whole if it exists. Its folder must exist.

    Returns
    -------
    The path.

    Raises
    ------
    StudyError
        If the file cannot be written.
    """
    target = _target(path)
    from dse.report.comparison import comparison_page

    return _replace(target, comparison_page(comparison))


def write_figures(
    source: StudyLike | Comparison, folder: str | Path, formats: Sequence[str] = ("png", "svg")
) -> list[Path]:
    """Write the figures of a report as images, by kaleido (extra ``images``) and Chrome or Chromium.

    Parameters
    ----------
    source
        A study, a view of one, or a comparison from `dse.compare.compare`.
    folder
        Made if it does not exist; files of the figures' names are replaced.
    formats
        Of png and svg. Single figures: ``dse.plots`` returns plotly's, which have ``write_image``.

    Returns
    -------
    The files, in the order of the report.

    Raises
    ------
    StudyError
        If a format is unknown, kaleido or a browser is not installed, or a file cannot be written.
    """
    from dse.compare import Comparison
    from dse.report.comparison import comparison_figures
    from dse.report.images import write_images
    from dse.report.page import study_figures

    figures = comparison_figures(source) if isinstance(source, Comparison) else study_figures(source)
    return write_images(figures, folder, formats)


def _target(path: str | Path) -> Path:
    target = Path(path)
    if target.is_dir():
        raise StudyError(f"{str(path)!r} is a folder: name a file, as in {str(target / 'report.html')!r}")
    if not target.parent.is_dir():
        raise StudyError(f"there is no folder {str(target.parent)!r}: make it, or choose another file")
    return target


def _replace(target: Path, text: str) -> Path:
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        temporary.replace(target)
    except OSError as error:
        raise StudyError(f"{str(target)!r} cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return target
