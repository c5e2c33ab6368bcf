"""Python files as a scientist leaves them beside a project's file."""

MODELS = '''
"""Models of our own."""

import json

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression

from mlcycle.models.base import Card, Model, Params
from mlcycle.models.encoder import Encoder

from .shares import share_of


class Hours(BaseEstimator, ClassifierMixin):
    """The share of each hour, shrunk to the mean."""

    def __init__(self, smoothing=50.0):
        self.smoothing = smoothing

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.array([0, 1])
        self.mean_ = float(np.average(y, weights=sample_weight))
        hours = np.asarray(X["sched_hour"])
        self.hours_ = np.unique(hours)
        self.shares_ = np.array([share_of(y[hours == h], self.mean_, self.smoothing) for h in self.hours_])
        return self

    def predict_proba(self, X):
        at = np.searchsorted(self.hours_, np.asarray(X["sched_hour"])).clip(0, len(self.hours_) - 1)
        known = self.hours_[at] == np.asarray(X["sched_hour"])
        p = np.where(known, self.shares_[at], self.mean_)
        return np.column_stack([1 - p, p])


def pipeline(c=1.0):
    """Carriers one-hot, then a line."""
    columns = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["carrier"]))
    return make_pipeline(columns, LogisticRegression(C=c))


class Constant(Model):
    """The mean, by a file of its own."""

    class Parameters(Params):
        plus: float = 0.0

    libraries = ("numpy", "pandas")

    def __init__(self, card, mean):
        super().__init__(card)
        self.mean = mean

    @classmethod
    def fit(cls, job, params, name):
        train = job.train.whole()
        encoder = Encoder.fit(train.frame, job.categorical, job.numeric)
        job.report(1, 1, {"train_loss": 0.5, "validation_loss": 0.5})
        return cls(Card.of(job, name, params, encoder, cls.libraries), float(train.labels.mean()) + params.plus)

    def predict(self, frame):
        return np.full(len(frame), self.mean)

    def write(self, folder):
        (folder / "mean.json").write_text(json.dumps(self.mean))

    @classmethod
    def read(cls, folder, card):
        return cls(card, json.loads((folder / "mean.json").read_text()))
'''

SHARES = """
def share_of(labels, mean, smoothing):
    return (labels.sum() + smoothing * mean) / (len(labels) + smoothing)
"""

NETS = '''
import torch
from torch import nn


class Small(nn.Module):
    """Embeddings of two and one hidden layer."""

    def __init__(self, rows, numeric, outputs, width=8):
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(count, 2) for count in rows)
        self.hidden = nn.Sequential(nn.Linear(2 * len(rows) + numeric, width), nn.ReLU(), nn.Linear(width, outputs))

    def forward(self, codes, numbers):
        given = [table(codes[:, at]) for at, table in enumerate(self.tables)]
        return self.hidden(torch.cat([*given, numbers], dim=1))
'''

METRICS = '''
import numpy as np


def missed(labels, predictions):
    """What a late flight costs that nobody foresaw."""
    return np.where((labels == 1) & (predictions < 0.3), 40.0, 0.0)


missed.tasks = ("classification",)
'''

FILES = {"models.py": MODELS, "shares.py": SHARES, "nets.py": NETS, "metrics.py": METRICS}
