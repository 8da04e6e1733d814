"""Measures how well a collection answers: finding, refusing, citing, facts, time and tokens.

Questions (``questions``) are asked of a host (``asking``), compared with what is right (``judging``), summed up
(``figures``) and shown (``page``). ``writing`` makes questions from passages, ``calibrating`` a
threshold from their certainty.
"""

from orbit.evaluation.asking import Asked, ask_all
from orbit.evaluation.calibrating import Point, Proposal, calibrate
from orbit.evaluation.figures import Difference, Figure, Group, Row, differences, figures, groups, rows
from orbit.evaluation.judging import LOWER_IS_BETTER, NAMES, judge
from orbit.evaluation.page import page
from orbit.evaluation.questions import EvalQuestion, read_questions
from orbit.evaluation.writing import write_questions

__all__ = [
    "LOWER_IS_BETTER",
    "NAMES",
    "Asked",
    "Difference",
    "EvalQuestion",
    "Figure",
    "Group",
    "Point",
    "Proposal",
    "Row",
    "ask_all",
    "calibrate",
    "differences",
    "figures",
    "groups",
    "judge",
    "page",
    "read_questions",
    "rows",
    "write_questions",
]
