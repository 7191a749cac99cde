import numpy as np
import pytest

from fer_tf.errors import UserError
from fer_tf.evaluation import gate
from fer_tf.evaluation.gate import Rule
from fer_tf.evaluation.gate import judge
from fer_tf.evaluation.gate import judge_rule
from fer_tf.evaluation.gate import load_rules


@pytest.fixture
def baseline(answer):
    """Answers that are calibrated: the likelihood of noise of deviation 1."""
    test = answer("baseline").split("test")
    return test.with_logits(2 * test.logits)


def verdicts(candidate, baseline):
    judged = judge(candidate, baseline, load_rules())
    return judged["verdict"], {
        finding["figure"]: finding["verdict"] for finding in judged["findings"]
    }


def test_the_shipped_rules():
    assert load_rules() == [
        Rule("macro_f1", 0.01, -1),
        Rule("lowest_three_f1", 0.02, -1),
        Rule("ece", 0.01, 1),
    ]


def test_the_baseline_itself_passes(baseline):
    order = np.random.default_rng(0).permutation(len(baseline))
    verdict, findings = verdicts(baseline.take(order), baseline)
    assert verdict == "pass"
    assert set(findings.values()) == {"pass"}


def test_planted_overconfidence_fails_by_ece_alone(baseline):
    verdict, findings = verdicts(baseline.with_logits(3 * baseline.logits), baseline)
    assert verdict == "fail"
    assert findings == {"macro_f1": "pass", "lowest_three_f1": "pass", "ece": "fail"}


def test_planted_shifted_classes_fail_by_every_rule(baseline):
    shifted = baseline.with_logits(np.roll(baseline.logits, 1, axis=1))
    verdict, findings = verdicts(shifted, baseline)
    assert verdict == "fail"
    assert set(findings.values()) == {"fail"}


def test_three_lost_classes_fail(baseline):
    logits = baseline.logits.copy()
    logits[:, [1, 2, 4]] -= 5
    findings = verdicts(baseline.with_logits(logits), baseline)[1]
    assert findings["lowest_three_f1"] == "fail"


def test_a_candidate_of_the_same_skill_is_inconclusive(answer, baseline):
    other = answer("other").split("test")
    verdict, findings = verdicts(other.with_logits(2 * other.logits), baseline)
    assert verdict == "inconclusive"
    assert "fail" not in findings.values()


def test_a_much_better_candidate_passes(answer, baseline):
    better = answer("better", skill=4).split("test")
    assert verdicts(better.with_logits(4 * better.logits), baseline)[0] == "pass"


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ([-0.02, -0.03, -0.005], "fail"),
        ([-0.02, -0.05, 0.01], "inconclusive"),
        ([-0.005, -0.02, 0.01], "inconclusive"),
        ([-0.005, -0.009, -0.001], "pass"),
        ([-0.011, -0.009, 0.002], "inconclusive"),
        ([0.05, 0.02, 0.08], "pass"),
    ],
    ids=["surely", "perhaps", "wide", "a little", "beside its interval", "better"],
)
def test_the_verdict_by_hand(change, verdict):
    drop = judge_rule(Rule("macro_f1", 0.01, -1), {"macro_f1": change})
    assert drop.verdict == verdict
    assert drop.worse_by == -change[0]
    assert drop.interval == (-change[2], -change[1])
    mirrored = {"ece": [-number for number in (change[0], change[2], change[1])]}
    assert judge_rule(Rule("ece", 0.01, 1), mirrored).verdict == verdict


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_drop: {macro_f2: 0.1}", "'macro_f2'.*'macro_f1'"),
        ("max_droop: {ece: 0.1}", "'max_droop'.*'max_drop'"),
        ("max_rise: {ece: -1}", r"max_rise\.ece.*rules\.yaml.* -1"),
        ("max_rise: {ece: true}", r"max_rise\.ece.*rules\.yaml.* True"),
        ("max_rise: 3", r"max_rise.*rules\.yaml.* 3"),
        ("[]", r"rules\.yaml.*max_drop.*max_rise"),
        ("max_drop: {}", r"max_drop.*rules\.yaml.* {}"),
        ("1: {ece: 0.1}", "'1'.*max_drop"),
        ("max_rise: {ece: .inf}", r"max_rise\.ece.*rules\.yaml.* inf"),
        ("# caf\xe9", "rules.yaml"),
        ("max_rise: {", "rules.yaml"),
    ],
)
def test_rules_that_make_no_sense_are_refused(tmp_path, text, message):
    path = tmp_path / "rules.yaml"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=message):
        load_rules(path)


def test_every_figure_of_a_rule_can_be_judged(baseline):
    rules = [Rule(figure, 0.0, 1) for figure in gate.FIGURES]
    assert len(judge(baseline, baseline, rules)["findings"]) == len(gate.FIGURES)
