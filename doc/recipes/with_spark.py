"""Predictions on Spark, from a column of sequences and from a long table."""

import os
import sys

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql.functions import col, pandas_udf
from with_dask import load

from skrnn import RNNClassifier


def predict_column(model, frame):
    """Predict from a column of the type array<array<double>>."""

    @pandas_udf("long")
    def label(sequences: pd.Series) -> pd.Series:
        return pd.Series(model.predict([np.stack(steps) for steps in sequences]))

    return frame.withColumn("label", label(col("steps")))


def predict_long_table(model, frame):
    """Predict from a table with a row for each step."""

    def predict_one(steps):
        steps = steps.sort_values("step")
        label = model.predict([steps[["a", "b"]].to_numpy()])
        return pd.DataFrame({"id": steps["id"].iloc[:1], "label": label})

    return frame.groupby("id").applyInPandas(predict_one, "id long, label long")


def main():
    """Run this with two local cores, and compare with this process."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # workers run this Python
    spark = SparkSession.builder.master("local[2]").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    X, y = load()
    model = RNNClassifier(8, max_iter=5, random_state=0).fit(X, y)
    expected = model.predict(X).tolist()
    nested = pd.DataFrame({"id": range(len(X)), "steps": [x.tolist() for x in X]})
    found = predict_column(model, spark.createDataFrame(nested)).toPandas()
    print("column:", found.sort_values("id")["label"].tolist() == expected)
    rows = [
        pd.DataFrame(x, columns=["a", "b"]).assign(id=i, step=range(len(x)))
        for i, x in enumerate(X)
    ]
    table = spark.createDataFrame(pd.concat(rows, ignore_index=True))
    found = predict_long_table(model, table).toPandas()
    print("long table:", found.sort_values("id")["label"].tolist() == expected)


if __name__ == "__main__":
    main()
