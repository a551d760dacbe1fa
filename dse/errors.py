"""The errors that users see: one line that names the field, the value and the mend."""


class DseError(ValueError):
    """Base of every error that the toolkit raises on purpose."""


class ExpressionError(DseError):
    """A constraint, condition or limit text cannot be parsed or evaluated."""


class SpaceError(DseError):
    """A search space is stated wrongly, or has no feasible design."""


class DesignError(DseError):
    """A design does not belong to its space."""


class ProblemError(DseError):
    """A problem is stated wrongly: its metrics, objectives, limits or cost model."""


class SearcherError(DseError):
    """A searcher is unknown, or its settings are."""


class StudyError(DseError):
    """A study cannot be run, resumed or read."""


class ExecutorError(DseError):
    """An executor cannot be made, or cannot evaluate."""


class StoreError(DseError):
    """A store cannot be opened, read or written."""


class SurrogateError(DseError):
    """A surrogate cannot be trained, read or used."""
