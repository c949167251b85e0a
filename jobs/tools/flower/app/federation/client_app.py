"""What a client does: train on its own part, and say how good the joint model is there. Its data stays with it."""

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from federation import digits

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    mine, config = _my_part(context), message.content["config"]
    before = message.content["arrays"].to_numpy_ndarrays()
    after = digits.trained(
        before,
        mine,
        epochs=int(context.run_config["local-epochs"]),
        learning_rate=float(context.run_config["learning-rate"]),
        mu=float(config.get("proximal-mu", 0.0)),
    )
    metrics = {
        "num-examples": len(mine),
        "train_loss": digits.loss(before, mine),  # QFedAvg weighs by it
        # In the first round this is what the client could do without the others.
        "alone": digits.accuracy(after, digits.test_digits()),
    }
    return _reply(message, metrics, ArrayRecord(after))


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    mine, weights = _my_part(context), message.content["arrays"].to_numpy_ndarrays()
    metrics = {
        "num-examples": len(mine),
        "loss": digits.loss(weights, mine),
        "accuracy": digits.accuracy(weights, mine),
    }
    return _reply(message, metrics)


def _my_part(context: Context) -> digits.Digits:
    return digits.part_of_digits(int(context.node_config.get("part", 0)), int(context.node_config.get("parts", 1)))


def _reply(message: Message, metrics: dict[str, float], arrays: ArrayRecord | None = None) -> Message:
    content = RecordDict({"metrics": MetricRecord(metrics)})
    if arrays is not None:
        content["arrays"] = arrays
    return Message(content=content, reply_to=message)
