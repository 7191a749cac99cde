"""Whether a candidate may take the baseline's place."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_tf import metrics
from fer_tf import predictions
from fer_tf.config import yaml_text
from fer_tf.config.yaml_text import brief
from fer_tf.errors import UserError
from fer_tf.errors import unknown_name
from fer_tf.predictions import SplitPredictions

SHIPPED = Path(__file__).with_name("gate.yaml")
FIGURES = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "lowest_three_f1",
    "nll",
    "ece",
)
KINDS = {"max_drop": -1, "max_rise": 1}


@dataclass(frozen=True)
class Rule:
    """The most by which one figure may get worse.

    Attributes:
        figure: one of `FIGURES`.
        limit: the most, not negative.
        sign: 1 where a rise is worse, -1 where a drop is.
    """

    figure: str
    limit: float
    sign: int


@dataclass(frozen=True)
class Finding:
    """What one rule says of a candidate.

    Attributes:
        worse_by: how much worse the candidate is; negative where it is better.
        interval: the paired 95 % interval of `worse_by`.
        verdict: `fail` where it is worse by more than the limit and the interval
            excludes zero; else `inconclusive` where it, or the interval, reaches
            beyond the limit; else `pass`.
    """

    figure: str
    limit: float
    worse_by: float
    interval: tuple[float, float]
    verdict: str


def load_rules(path: Path = SHIPPED) -> list[Rule]:
    """Read rules from YAML.

    Raises:
        UserError: no such file, no rule, an unknown figure, a limit that is no number.
    """
    tree = yaml_text.read(path, "the rules file")
    if not isinstance(tree, dict) or not tree:
        raise UserError(f"the rules {path} must hold {' or '.join(KINDS)}.")
    return [
        rule for kind, limits in tree.items() for rule in _rules(kind, limits, path)
    ]


def judge(
    candidate: SplitPredictions,
    baseline: SplitPredictions,
    rules: list[Rule],
    seed: int = 0,
) -> dict[str, Any]:
    """Hold a candidate against the baseline on the same records.

    Args:
        candidate: calibrated logits [n, 7].
        baseline: calibrated logits [n, 7].

    Returns:
        `verdict`, the worst of the rules', and `findings`, one per rule.
    """
    pair = predictions.align({"candidate": candidate, "baseline": baseline})
    changes = metrics.with_intervals(
        metrics.differences,
        pair["candidate"].labels,
        *(metrics.softmax(answers.logits) for answers in pair.values()),
        groups=pair["candidate"].groups,
        seed=seed,
    )
    findings = [judge_rule(rule, changes) for rule in rules]
    verdicts = {finding.verdict for finding in findings}
    worst = next(v for v in ("fail", "inconclusive", "pass") if v in verdicts)
    return {
        "verdict": worst,
        "n": len(candidate),
        "findings": [dataclasses.asdict(finding) for finding in findings],
    }


def judge_rule(rule: Rule, changes: Mapping[str, list[float]]) -> Finding:
    """Return what `rule` says of candidate minus baseline, `[value, low, high]`."""
    # Adding 0 makes -0 the 0 that a reader expects.
    value, *ends = (rule.sign * number + 0.0 for number in changes[rule.figure])
    low, high = sorted(ends)
    if value > rule.limit and low > 0:
        verdict = "fail"
    else:
        # A percentile interval need not hold its own value: ECE's may lie below it.
        verdict = "inconclusive" if max(value, high) > rule.limit else "pass"
    return Finding(rule.figure, rule.limit, value, (low, high), verdict)


def _rules(kind: str, limits: Any, path: Path) -> list[Rule]:
    if kind not in KINDS:
        raise unknown_name("rule", str(kind), KINDS)
    if not isinstance(limits, dict) or not limits:
        raise UserError(
            f"{kind} in {path} must be figures and limits, received {brief(limits)}."
        )
    for figure, limit in limits.items():
        if figure not in FIGURES:
            raise unknown_name("figure", str(figure), FIGURES)
        if type(limit) not in (int, float) or not 0 <= limit < math.inf:
            raise UserError(
                f"{kind}.{figure} in {path} must be a number of 0 or more, "
                f"received {brief(limit)}."
            )
    return [Rule(figure, float(limit), KINDS[kind]) for figure, limit in limits.items()]
