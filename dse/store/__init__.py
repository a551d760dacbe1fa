"""Persistence: studies, evaluations and front snapshots in a database, a transaction a batch."""

from dse.store.records import BatchRow, EvaluationRows, StudyRecord, SurrogateRecord
from dse.store.store import Store

__all__ = ["BatchRow", "EvaluationRows", "Store", "StudyRecord", "SurrogateRecord"]
