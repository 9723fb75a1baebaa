"""Heads trained side by side: each is what Keras makes of it alone, and none depends on the others."""

import numpy as np
import pytest

from fakeimg.config import Head, Train
from fakeimg.errors import ModelError
from fakeimg.training.head_kernel import dropout_mask
from fakeimg.training.head_weights import initial_weights, layer_widths
from fakeimg.training.stacked import HeadRun, epoch_order, train_heads

N, C, EPOCHS = 150, 24, 3
TRAINING, VALIDATION = np.arange(110), np.arange(110, N)


@pytest.fixture(scope="module")
def features():
    random = np.random.default_rng(7)
    labels = (np.arange(N) % 2).astype(np.int64)
    values = random.standard_normal((N, C)) + 0.8 * labels[:, None]
    return values.astype(np.float32), labels


def head_run(head=None, train=None, seed=0, rows=TRAINING, weights=None, stops=(EPOCHS,)):
    rows = np.asarray(rows)
    weights = np.ones(len(rows), np.float32) if weights is None else weights
    train = train or Train(learning_rate=3e-3, batch_size=16)
    return HeadRun(head or Head(units=(16, 8), dropout=0.3, l2=0.01), train, seed, rows, weights, VALIDATION, stops)


def trained(runs, values, labels, **options):
    return dict(train_heads(runs, (values,), values, labels, **options))


def keras_head(head, widths, classes):
    """The same head for Keras, with each dropout mask as an input, so that both see the same masks."""
    import keras
    from keras import layers, regularizers

    inputs = [keras.Input((widths[0],))] + [keras.Input((units,)) for units in head.units]
    x = inputs[0]
    for units, mask in zip(head.units, inputs[1:], strict=True):
        x = layers.Dense(units, activation="relu", kernel_regularizer=regularizers.L2(head.l2))(x) * mask
    x = layers.Dense(widths[-1])(x)
    if classes == 2 and widths[-1] == 2:
        x = x[:, 1:] - x[:, :1]
    return keras.Model(inputs, x)


def keras_probabilities(run, values, labels, classes=2):
    """Train `run` through Keras' `fit`, with the same initial weights, batches and dropout masks."""
    import keras

    keras.utils.set_random_seed(0)
    widths = layer_widths(run.head, values.shape[1], classes)
    model = keras_head(run.head, widths, classes)
    model.set_weights(initial_weights(widths, run.seed))
    train = run.train
    optimizer = (
        keras.optimizers.Adam(train.learning_rate)
        if train.optimizer == "adam"
        else keras.optimizers.SGD(train.learning_rate, momentum=train.momentum)
    )
    loss = (
        keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        if classes > 2
        else keras.losses.BinaryCrossentropy(from_logits=True)
    )
    model.compile(optimizer, loss)
    step = 0
    for epoch in range(max(run.stops)):
        model.optimizer.learning_rate = train.learning_rate * train.decay ** (epoch // train.decay_every)
        order = epoch_order(run.seed, epoch, len(run.rows))
        masks = [np.empty((len(order), units), np.float32) for units in run.head.units]
        for start in range(0, len(order), train.batch_size):
            step += 1
            for layer, (mask, rate) in enumerate(zip(masks, run.head.rates, strict=True)):
                dropout_mask(run.seed, step, layer, rate, mask[start : start + train.batch_size])
        rows = run.rows[order]
        model.fit(
            [values[rows], *masks],
            labels[rows].astype(np.float32),
            sample_weight=run.weights[order],
            batch_size=train.batch_size,
            shuffle=False,
            epochs=1,
            verbose=0,
        )
    ones = [np.ones((len(run.validation), units), np.float32) for units in run.head.units]
    return probabilities(model.predict([values[run.validation], *ones], verbose=0))


def probabilities(logits):
    if logits.shape[1] == 1:
        return 1 / (1 + np.exp(-logits.astype(np.float64)))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("head", "train"),
    [
        (Head(units=(16, 8), dropout=0.3, l2=0.01), Train(learning_rate=3e-3, batch_size=16)),
        (Head(units=(16,), dropout=0.5), Train(optimizer="sgd", learning_rate=0.01, momentum=0.9, batch_size=8)),
        (Head(), Train(learning_rate=1e-2, batch_size=32)),
        (Head(kind="two_way", units=(8,), dropout=0.2), Train(learning_rate=3e-3, batch_size=16, decay=0.5)),
    ],
    ids=["adam, dropout, penalty", "sgd with momentum", "logistic regression", "softmax pair, decay"],
)
def test_a_head_is_what_keras_makes_of_it_alone(features, head, train):
    values, labels = features
    weights = np.where(labels[TRAINING] == 1, 1.5, 0.5).astype(np.float32)
    run = head_run(head, train, seed=3, weights=weights)
    others = [head_run(seed=seed, train=Train(learning_rate=0.1, batch_size=4)) for seed in range(4)]
    (result,) = trained([*others, run], values, labels)[len(others)]
    assert result.best_epoch == EPOCHS, "Keras keeps the last epoch, so it must be the best one for this comparison"
    np.testing.assert_allclose(
        probabilities(result.logits), keras_probabilities(run, values, labels), atol=1e-4, rtol=0
    )


def test_three_classes_are_what_keras_makes_of_them(features):
    values, _ = features
    labels = (np.arange(N) % 3).astype(np.int64)
    values = values + 0.8 * np.eye(3, C, dtype=np.float32)[labels]
    run = head_run(seed=1)
    (result,) = trained([run], values, labels, classes=3)[0]
    assert result.best_epoch == EPOCHS
    expected = keras_probabilities(run, values, labels, classes=3)
    np.testing.assert_allclose(probabilities(result.logits), expected, atol=1e-4, rtol=0)


def test_a_head_depends_neither_on_its_companions_nor_on_the_number_of_threads(features):
    values, labels = features
    runs = [head_run(seed=seed, train=Train(learning_rate=10.0**-seed, batch_size=16)) for seed in range(1, 6)]
    together = trained(runs, values, labels, threads=3)
    for number, run in enumerate(runs):
        alone = trained([run], values, labels, threads=1)[0]
        np.testing.assert_array_equal(together[number][0].logits, alone[0].logits)


def test_fewer_epochs_are_a_prefix_of_more(features):
    values, labels = features
    short, long = trained([head_run(stops=(2, 7))], values, labels)[0]
    alone = trained([head_run(stops=(2,))], values, labels)[0][0]
    assert short.history == alone.history == long.history[:2]
    np.testing.assert_array_equal(short.logits, alone.logits)
    assert (short.epochs, long.epochs, len(long.history)) == (2, 7, 7)


def test_the_best_epoch_is_kept_and_patience_ends_the_wait(features):
    values, labels = features
    train = Train(learning_rate=0.1, batch_size=4, patience=3)
    (result,) = trained([head_run(Head(units=(32,)), train, stops=(60,))], values, labels)[0]
    losses = [row["val_loss"] for row in result.history]
    assert result.best_epoch == int(np.argmin(losses)) + 1
    assert len(losses) == result.best_epoch + 3 < 60
    called = probabilities(result.logits)[:, 0] > 0.5
    assert np.mean(called == labels[VALIDATION]) == pytest.approx(result.history[result.best_epoch - 1]["val_accuracy"])


def test_weights_of_the_loss_of_zero_are_rows_that_do_not_count(features):
    values, labels = features
    spoilt = values.copy()
    spoilt[:20] = 1e3
    weights = (TRAINING >= 20).astype(np.float32)
    one = trained([head_run(weights=weights)], values, labels)[0][0]
    other = trained([head_run(weights=weights)], spoilt, labels)[0][0]
    np.testing.assert_array_equal(one.logits, other.logits)


def test_epochs_go_through_the_views_in_turn(features):
    values, labels = features
    other = values[::-1].copy()
    run = head_run(stops=(1, 2))
    (both,) = dict(train_heads([run], (values, other), values, labels)).values()
    (first,) = dict(train_heads([run], (values,), values, labels)).values()
    np.testing.assert_array_equal(both[0].logits, first[0].logits)
    assert np.abs(both[1].logits - first[1].logits).max() > 1e-3


def test_a_head_that_diverges_says_so_and_the_others_go_on(features):
    values, labels = features
    wild = head_run(Head(units=(8,)), Train(optimizer="sgd", learning_rate=1e30, batch_size=16), stops=(20,))
    found = trained([head_run(), wild, head_run(seed=1)], values, labels)
    assert isinstance(found[1], ModelError)
    assert "learning rate" in str(found[1])
    assert np.isfinite(found[0][0].logits).all()
    assert np.isfinite(found[2][0].logits).all()


def test_dropout_keeps_the_share_it_should_and_never_repeats_itself():
    masks = [np.empty((200, 100), np.float32) for _ in range(3)]
    for mask, (step, layer) in zip(masks, [(1, 0), (2, 0), (1, 1)], strict=True):
        dropout_mask(0, step, layer, 0.3, mask)
        assert set(np.unique(mask)) == {np.float32(0), np.float32(1 / 0.7)}
        # 20,000 draws: five standard errors are 0.016.
        assert abs((mask > 0).mean() - 0.7) < 0.016
        assert abs((mask > 0).mean(axis=0) - 0.7).max() < 0.18
    for one, other in [(0, 1), (0, 2), (1, 2)]:
        correlation = np.corrcoef(masks[one].ravel() > 0, masks[other].ravel() > 0)[0, 1]
        assert abs(correlation) < 0.04


def test_leaving_early_stops_the_threads(features):
    import threading

    values, labels = features
    before = set(threading.enumerate())
    heads = train_heads([head_run(seed=seed, stops=(200,)) for seed in range(20)], (values,), values, labels)
    next(heads)
    heads.close()
    assert set(threading.enumerate()) == before
