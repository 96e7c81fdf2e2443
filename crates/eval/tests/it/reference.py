"""Writes reference.json: what independent implementations say about small data sets.

Not run by the tests; run it to renew the numbers:

    python3 -m venv venv && venv/bin/pip install scikit-learn scipy statsmodels mlstatkit
    venv/bin/python reference.py > reference.json

scikit-learn gives the metrics, statsmodels the intervals, the logistic fits and McNemar, scipy the optimum
temperature, mlstatkit the paired DeLong test. For groups there is no package, so Obuchowski (1997) and Korn and Graham
(1998) are written out below from the papers, as double sums over pairs, not as the crate does it.
"""

import importlib.metadata
import json
import warnings

import numpy as np
import scipy.optimize
import scipy.stats
import sklearn.calibration
import sklearn.metrics as m
import statsmodels.api as sm
from MLstatkit import Delong_test
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

warnings.simplefilter("ignore")
LEVEL = 0.95


def kernel(scores, labels):
    """[positives, negatives]: 1 where ranked right, one half for ties."""
    pos, neg = scores[labels == 1], scores[labels == 0]
    return (pos[:, None] > neg[None, :]) + 0.5 * (pos[:, None] == neg[None, :])


def delong_variance(scores, labels):
    psi = kernel(scores, labels)
    return psi.mean(1).var(ddof=1) / psi.shape[0] + psi.mean(0).var(ddof=1) / psi.shape[1]


def obuchowski_variance(scores, labels, groups):
    psi = kernel(scores, labels)
    auc, (count_pos, count_neg) = psi.mean(), psi.shape
    group_pos, group_neg = groups[labels == 1], groups[labels == 0]
    s10 = s01 = s11 = 0.0
    for group in np.unique(groups):
        a = psi[group_pos == group].mean(1).sum() - (group_pos == group).sum() * auc
        b = psi[:, group_neg == group].mean(0).sum() - (group_neg == group).sum() * auc
        s10, s01, s11 = s10 + a * a, s01 + b * b, s11 + a * b
    n10, n01, n = (len(np.unique(g)) for g in (group_pos, group_neg, groups))
    s10, s01, s11 = s10 * n10 / (n10 - 1) / count_pos, s01 * n01 / (n01 - 1) / count_neg, s11 * n / (n - 1)
    return s10 / count_pos + s01 / count_neg + 2 * s11 / (count_pos * count_neg)


def korn_graham(hits, groups):
    """(effective n, low, high) before the crate's monotone widening."""
    n, p = len(hits), hits.mean()
    sums = np.array([(hits[groups == g] - p).sum() for g in np.unique(groups)])
    k = len(sums)
    variance = k * sums.var(ddof=1) * 1.0 / n**2  # the residuals sum to 0
    srs = p * (1 - p) / (n - 1)
    t = scipy.stats.t.ppf(1 - (1 - LEVEL) / 2, [n - 1, k - 1])
    effective = min(n, n * srs / variance * (t[0] / t[1]) ** 2)
    x = p * effective
    tail = (1 - LEVEL) / 2
    beta = scipy.stats.beta.ppf
    return [effective, beta(tail, x, effective - x + 1), beta(1 - tail, x + 1, effective - x)]


def logit_interval(auc, variance):
    z = scipy.stats.norm.ppf(1 - (1 - LEVEL) / 2)
    half = z * np.sqrt(variance) / (auc * (1 - auc))
    return list(scipy.special.expit(scipy.special.logit(auc) + np.array([-half, half])))


def ece(p, y, bins):
    """From scikit-learn's curve (mean predicted, fraction of positives) and the sizes of the non-empty bins."""
    observed, predicted = sklearn.calibration.calibration_curve(y, p, n_bins=bins)
    sizes = np.bincount(np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], p), minlength=bins)
    return float((np.abs(observed - predicted) * sizes[sizes > 0]).sum() / len(p))


def binary_case(rng, n, decimals, signal, group_size=None):
    y = rng.integers(0, 2, n)
    y[:2] = [0, 1]
    groups = np.arange(n) // group_size if group_size else None
    noise = rng.normal(size=n) + (rng.normal(size=n)[groups] if group_size else 0)
    p = np.round(scipy.special.expit(signal * (y - 0.5) + noise), decimals)
    q = np.round(scipy.special.expit(0.7 * signal * (y - 0.5) + 0.6 * noise + 0.8 * rng.normal(size=n)), decimals)
    # Away from 0 and 1, where clipping rules would be compared instead of formulas.
    p, q = p.clip(0.5 * 10**-decimals, 1 - 0.5 * 10**-decimals), q.clip(0.01, 0.99)
    auc = m.roc_auc_score(y, p)
    fpr, tpr, _ = m.roc_curve(y, p, drop_intermediate=False)
    x = scipy.special.logit(p)
    fit = sm.GLM(y, sm.add_constant(x), family=sm.families.Binomial()).fit(tol=1e-14)
    large = sm.GLM(y, np.ones(n), family=sm.families.Binomial(), offset=x).fit(tol=1e-14)
    called = p >= 0.5
    tp, fp = (called & (y == 1)).sum(), (called & (y == 0)).sum()
    z, p_value = Delong_test(y, p, q, return_ci=False, return_auc=False)[:2]
    case = {
        "labels": y.tolist(),
        "p": p.tolist(),
        "q": q.tolist(),
        "auroc": auc,
        "auroc_q": m.roc_auc_score(y, q),
        "auprc": m.average_precision_score(y, p),
        "delong_variance": delong_variance(p, y),
        "delong_logit_interval": logit_interval(auc, delong_variance(p, y)),
        "paired_p_value": float(p_value),
        "brier": m.brier_score_loss(y, p),
        "log_loss": m.log_loss(y, p),
        "ece_10": ece(p, y, 10),
        "ece_15": ece(p, y, 15),
        "calibration": [*fit.params.tolist(), float(large.params[0])],
        "net_benefit_half": (tp - fp) / n,
        "net_benefit_fifth": float(((p >= 0.2) & (y == 1)).sum() - 0.25 * ((p >= 0.2) & (y == 0)).sum()) / n,
        "treat_all_fifth": float(y.sum() - 0.25 * (n - y.sum())) / n,
        "youden": float((tpr - fpr).max()),
        "precision_recall_f1": [m.precision_score(y, called), m.recall_score(y, called), m.f1_score(y, called)],
        "specificity_npv": [m.recall_score(1 - y, ~called), m.precision_score(1 - y, ~called)],
        "recall_interval": list(proportion_confint(tp, y.sum(), 1 - LEVEL, "beta")),
        "mcnemar": mcnemar_case((p >= 0.5) == y, (q >= 0.5) == y),
    }
    if group_size:
        case["groups"] = groups.tolist()
        case["obuchowski_variance"] = obuchowski_variance(p, y, groups)
        hits = ((p >= 0.5) == (y == 1)).astype(float)
        case["accuracy_korn_graham"] = korn_graham(hits, groups)
    return case


def mcnemar_case(a, b):
    table = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
    return float(mcnemar(table, exact=True).pvalue)


def multiclass_case(rng, n, classes):
    y = rng.integers(0, classes, n)
    y[:classes] = range(classes)
    logits = 2.2 * rng.normal(size=(n, classes)) + 2.5 * np.eye(classes)[y]
    p = np.round(scipy.special.softmax(logits, axis=1), 6)
    p[:, -1] = 1 - p[:, :-1].sum(1)
    p = p.clip(1e-9, 1)
    called = p.argmax(1)
    eye = np.eye(classes)[y]

    def loss(beta):
        return m.log_loss(y, scipy.special.softmax(np.log(p) * beta, axis=1))

    beta = scipy.optimize.minimize_scalar(loss, bounds=(0.01, 10), method="bounded", options={"xatol": 1e-10}).x
    average = lambda how: list(m.precision_recall_fscore_support(y, called, average=how, zero_division=np.nan)[:3])
    return {
        "labels": y.tolist(),
        "p": p.flatten().tolist(),
        "classes": classes,
        "accuracy": m.accuracy_score(y, called),
        "confusion": m.confusion_matrix(y, called).tolist(),
        "per_class": [list(map(float, row)) for row in m.precision_recall_fscore_support(y, called)],
        "macro": average("macro"),
        "micro": average("micro"),
        "auroc_macro": m.roc_auc_score(y, p / p.sum(1, keepdims=True), multi_class="ovr", average="macro"),
        "auroc_micro": m.roc_auc_score(eye, p, average="micro"),
        "auprc_macro": m.average_precision_score(eye, p, average="macro"),
        "auprc_micro": m.average_precision_score(eye, p, average="micro"),
        "brier": float(((p - eye) ** 2).sum(1).mean()),
        "log_loss": m.log_loss(y, p),
        "ece_15": ece(p.max(1), (called == y).astype(int), 15),
        "temperature": 1 / beta,
        "log_loss_scaled": loss(beta),
    }


def interval_case(k, n):
    return {
        "k": k,
        "n": n,
        "clopper_pearson": list(proportion_confint(k, n, 1 - LEVEL, "beta")),
        "mcnemar": float(mcnemar([[0, k], [n - k, 0]], exact=True).pvalue),
    }


def lines(value, indent=""):
    """JSON with an object over several lines and a list on one, so that a change shows as a small difference."""
    if not isinstance(value, dict):
        return json.dumps(value, default=float)
    deeper = indent + " "
    fields = [f"{deeper}{json.dumps(key)}: {lines(item, deeper)}" for key, item in value.items()]
    return "{\n" + ",\n".join(fields) + f"\n{indent}}}"


def main():
    rng = np.random.default_rng(20240611)
    packages = ["numpy", "scipy", "scikit-learn", "statsmodels", "MLstatkit"]
    pairs = [(0, 1), (1, 1), (0, 10), (10, 10), (1, 10), (5, 10), (81, 263), (99, 100), (240, 240), (9871, 10000)]
    reference = {
        "origin": {name: importlib.metadata.version(name) for name in packages},
        "intervals": [interval_case(*pair) for pair in pairs],
        "binary": {
            "plain": binary_case(rng, 80, 6, 1.6),
            "ties": binary_case(rng, 70, 1, 1.4),
            "groups": binary_case(rng, 90, 3, 1.5, group_size=3),
        },
        "multiclass": {"three": multiclass_case(rng, 60, 3), "five": multiclass_case(rng, 50, 5)},
    }
    print(lines(reference))


if __name__ == "__main__":
    main()
